import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';

import { LABELS } from '../api/operations.js';
import { count, withWord } from '../text/words.js';

const TYPING = 120; // milliseconds
const CLOSED = { options: /** @type {Option[]} */ ([]), active: -1 };

/** @typedef {{name: string, word: string | null, blobCount: number}} Option */

/**
 * A text field that completes labels in use. `onPick` receives the label that was chosen or typed, and
 * `onBackspace` is called for that key in an empty field. `without` are labels that are not offered. With
 * `exact`, Enter picks what was typed unless another label is highlighted.
 * @param {{
 *   id: string,
 *   client: import('../api/client.js').Client,
 *   input: import('preact').RefObject<HTMLInputElement | null>,
 *   name: string,
 *   placeholder: string,
 *   disabled?: boolean,
 *   without: string[],
 *   exact?: boolean,
 *   onPick: (label: string) => void,
 *   onBackspace?: () => void,
 * }} props
 */
export function Combobox({ id, client, input, name, placeholder, disabled = false, without, exact = false, onPick, onBackspace }) {
  const list = useSignal(CLOSED);
  const timer = useRef(/** @type {ReturnType<typeof setTimeout> | undefined} */ (undefined));
  const { options, active } = list.value;
  const field = () => /** @type {HTMLInputElement} */ (input.current);

  const close = () => {
    clearTimeout(timer.current);
    list.value = CLOSED;
  };
  const complete = (/** @type {number} */ wait) => {
    clearTimeout(timer.current);
    timer.current = setTimeout(async () => {
      const prefix = field().value.trimStart();
      try {
        const { labels } = await client.ask(LABELS, { prefix });
        if (prefix !== field().value.trimStart() || document.activeElement !== field()) return;
        const found = labels.edges.map((/** @type {any} */ { matchedWord, node }) => ({ ...node, word: matchedWord }));
        list.value = { options: found.filter((/** @type {Option} */ each) => !without.includes(each.name)), active: -1 };
      } catch {
        close(); // completion is optional
      }
    }, wait);
  };
  const pick = (/** @type {string} */ label) => {
    field().value = '';
    close();
    onPick(label);
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const { options, active } = list.value; // as the last key left it, drawn or not
    const { length } = options;
    if (event.key === 'Enter') {
      event.preventDefault();
      pick(options[exact ? active : Math.max(0, active)]?.name ?? field().value.trim());
    } else if (event.key === 'Escape' && length) {
      event.preventDefault();
      close();
    } else if (event.key === 'Backspace' && !field().value) onBackspace?.();
    else if (event.key === 'ArrowDown' && !length) {
      event.preventDefault();
      complete(0);
    } else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && length) {
      event.preventDefault();
      const next = event.key === 'ArrowDown' ? active + 1 : Math.max(active, 0) - 1;
      list.value = { options, active: (next + length) % length };
    }
  };
  return (
    <>
      <input
        id={id}
        ref={input}
        type="text"
        role="combobox"
        aria-label={name}
        aria-controls={`${id}-options`}
        aria-expanded={options.length > 0}
        aria-autocomplete="list"
        aria-activedescendant={active < 0 ? undefined : `${id}-option-${active}`}
        autocomplete="off"
        enterkeyhint="search"
        spellcheck={false}
        maxLength={200}
        placeholder={placeholder}
        disabled={disabled}
        onInput={() => complete(TYPING)}
        onClick={() => complete(0)}
        onBlur={close}
        onKeyDown={onKeyDown}
      />
      <ul id={`${id}-options`} class="options" role="listbox" aria-label="Labels in use" hidden={!options.length}>
        {options.map((option, index) => (
          <li
            key={option.name}
            id={`${id}-option-${index}`}
            role="option"
            aria-selected={index === active}
            // Runs before the field loses the focus, which closes the list.
            onPointerDown={(event) => { event.preventDefault(); pick(option.name); }}
          >
            <span>{withWord(option.name, option.word)}</span>
            <span class="count">{count(option.blobCount)}</span>
          </li>
        ))}
      </ul>
    </>
  );
}
