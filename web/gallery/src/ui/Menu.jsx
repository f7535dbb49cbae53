import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';

/**
 * A button that opens a panel below it. Escape, a click outside and the focus leaving it close the panel.
 * @param {{id: string, name: string, marked?: boolean, children: import('preact').ComponentChildren}} props
 */
export function Menu({ id, name, marked = false, children }) {
  const open = useSignal(false);
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const button = useRef(/** @type {HTMLButtonElement | null} */ (null));
  useEffect(() => {
    if (!open.value) return undefined;
    const away = (/** @type {Event} */ { target }) => {
      if (!box.current?.contains(/** @type {Node} */ (target))) open.value = false;
    };
    document.addEventListener('pointerdown', away);
    document.addEventListener('focusin', away);
    return () => {
      document.removeEventListener('pointerdown', away);
      document.removeEventListener('focusin', away);
    };
  }, [open.value]);
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== 'Escape' || !open.value) return;
    event.stopPropagation();
    open.value = false;
    button.current?.focus();
  };
  return (
    <div class="menu" ref={box} onKeyDown={onKeyDown}>
      <button
        type="button"
        ref={button}
        class={marked ? 'marked' : ''}
        aria-expanded={open.value}
        aria-controls={id}
        onClick={() => { open.value = !open.value; }}
      >{name}</button>
      <div id={id} class="panel" hidden={!open.value}>{open.value && children}</div>
    </div>
  );
}
