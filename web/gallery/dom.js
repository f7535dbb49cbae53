/**
 * Creates an element. An attribute is set as a property where the element has one; `on…` adds a
 * listener. Children are elements or text; text is never parsed as markup.
 */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key in element && !key.startsWith('aria') && key !== 'list') element[key] = value;
    else element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.flat().filter((each) => each !== null && each !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Opens a modal dialog. Messages move into it, because everything outside is inert. */
export function openModal(dialog) {
  const messages = byId('messages');
  dialog.append(messages);
  const back = () => (document.querySelector('dialog[open]') ?? document.body).append(messages);
  dialog.addEventListener('close', back, { once: true });
  dialog.showModal();
}

/** Announces a text to screen readers. */
export function speak(text) {
  byId('spoken').textContent = text;
}

/** Shows a notice. `actions` are [text, function] for its buttons. Returns a function that closes it. */
export function notice(text, { actions = [], seconds = 8, onend = () => {} } = {}) {
  let over = false;
  const close = () => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    box.remove();
    onend();
  };
  const buttons = actions.map(([label, act]) =>
    make('button', { type: 'button', className: 'quiet', onclick: () => { act(); close(); } }, label),
  );
  const box = make('div', { className: 'notice' }, make('span', {}, text), ...buttons);
  const timer = setTimeout(close, seconds * 1000);
  byId('notices').append(box);
  speak(text);
  return close;
}
