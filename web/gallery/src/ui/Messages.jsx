/**
 * The notices, and the text for screen readers. They are drawn in the topmost dialog, because everything
 * outside it is inert; `within` is the id of the dialog that contains this component, or null.
 * @param {{notices: import('../state/notices.js').Notices, within: string | null}} props
 */
export function Messages({ notices, within }) {
  if ((notices.dialogs.value.at(-1) ?? null) !== within) return null;
  return (
    <div class="messages">
      <section id="notices" aria-label="Notices">
        {notices.list.value.map(({ key, text, actions, close }) => (
          <div class="notice" key={key}>
            <span>{text}</span>
            {actions.map(([label, act]) => (
              <button type="button" class="quiet" key={label} onClick={(event) => { act(); close(); keepFocus(event.currentTarget); }}>{label}</button>
            ))}
          </div>
        ))}
      </section>
      <div id="spoken" class="unseen" role="status" aria-live="polite">{notices.spoken}</div>
    </div>
  );
}

/** Moves the focus of a button that disappears to its dialog, or to the pictures. @param {HTMLElement} button */
function keepFocus(button) {
  const next = button.closest('dialog')?.querySelector('button') ?? document.querySelector('main:not([hidden])');
  requestAnimationFrame(() => { if (document.activeElement === document.body) /** @type {HTMLElement | null} */ (next)?.focus(); });
}
