import { useLayoutEffect, useRef } from 'preact/hooks';

import { Messages } from './Messages.jsx';

/**
 * A modal dialog. `onClose` is called when the user closes it: by Escape or a click outside.
 * @param {{
 *   id: string,
 *   open: boolean,
 *   notices: import('../state/notices.js').Notices,
 *   onClose: () => void,
 *   children: import('preact').ComponentChildren,
 * }} props
 */
export function Dialog({ id, open, notices, onClose, children }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const outside = useRef(false);
  useLayoutEffect(() => {
    const { current } = dialog;
    if (!open || !current) return undefined;
    current.showModal();
    notices.dialogs.value = [...notices.dialogs.value, id];
    return () => {
      notices.dialogs.value = notices.dialogs.value.filter((each) => each !== id);
      current.close();
    };
  }, [open]);
  return (
    <dialog
      id={id}
      ref={dialog}
      aria-labelledby={`${id}-title`}
      onClose={() => { if (open) onClose(); }}
      // A text that is selected beyond the edge ends in a click outside.
      onPointerDown={({ target, currentTarget }) => { outside.current = target === currentTarget; }}
      onClick={({ target, currentTarget }) => { if (outside.current && target === currentTarget) onClose(); }}
    >
      {open && children}
      {open && <Messages notices={notices} within={id} />}
    </dialog>
  );
}
