import { useRef } from 'preact/hooks';

import { pictureHash } from '../router.js';
import { count } from '../text/words.js';
import { Dialog } from './Dialog.jsx';

/** The list of what failed: name, reason and what to do. @param {{app: import('../app.js').App}} props */
export function Failures({ app }) {
  const uploads = app.uploads.value;
  if (!uploads) return null;
  const { list, open } = uploads.failures;
  const close = () => { open.value = false; };
  return (
    <Dialog id="failures" open={open.value && list.value.length > 0} notices={app.notices} onClose={close}>
      <List uploads={uploads} close={close} />
    </Dialog>
  );
}

/** @param {{uploads: import('../state/uploads.js').Uploads, close: () => void}} props */
function List({ uploads, close }) {
  const heading = useRef(/** @type {HTMLHeadingElement | null} */ (null));
  const failed = uploads.failures.list.value;
  /** Tries again; the pressed button disappears, so that the heading gets the focus. @param {string} [key] */
  const retry = (key) => {
    heading.current?.focus();
    uploads.retry(key);
  };
  const dismiss = () => {
    close();
    uploads.dismiss();
  };
  return (
    <>
      <h2 id="failures-title" ref={heading} tabIndex={-1}>{count(failed.length)} {failed.length === 1 ? 'file' : 'files'} failed</h2>
      <ul aria-labelledby="failures-title">
        {failed.map(({ key, id, name, reason, remedy, retryable }) => (
          <li key={key}>
            <div>
              <p class="file">{id ? <a href={pictureHash(id)} onClick={close}>{name}</a> : name}</p>
              <p>{reason} <span class="remedy">{remedy}</span></p>
            </div>
            {retryable && <button type="button" aria-label={`Try again: ${name}`} onClick={() => retry(key)}>Try again</button>}
          </li>
        ))}
      </ul>
      <p class="actions">
        {failed.some(({ retryable }) => retryable) && <button type="button" onClick={() => retry()}>Try all again</button>}
        <button type="button" class="quiet" onClick={dismiss}>Dismiss</button>
        <button type="button" class="primary" autofocus onClick={close}>Close</button>
      </p>
    </>
  );
}
