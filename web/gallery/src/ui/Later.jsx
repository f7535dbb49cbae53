import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

/**
 * A part of the page whose code is loaded when it is wanted for the first time.
 * @param {{
 *   app: import('../app.js').App,
 *   load: () => Promise<import('preact').ComponentType<{app: import('../app.js').App}>>,
 *   wanted: boolean,
 * }} props
 */
export function Later({ app, load, wanted }) {
  const loaded = useSignal(/** @type {{Part: import('preact').ComponentType<{app: import('../app.js').App}>} | null} */ (null));
  useEffect(() => {
    if (!wanted || loaded.value) return;
    load().then(
      (Part) => { loaded.value = { Part }; },
      () => app.notices.show('A part of the page could not be loaded. Reload the page.'),
    );
  }, [wanted]);
  const Part = loaded.value?.Part;
  return Part ? <Part app={app} /> : null;
}
