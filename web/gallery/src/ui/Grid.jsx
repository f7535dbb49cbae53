import { useEffect, useRef } from 'preact/hooks';

import { VirtualGrid } from './VirtualGrid.js';

/** The pictures of the collection. Only this component's element is Preact's; its tiles are not. @param {{app: import('../app.js').App}} props */
export function Grid({ app }) {
  const { collection } = app;
  const element = useRef(/** @type {HTMLDivElement | null} */ (null));
  useEffect(() => {
    const grid = new VirtualGrid(/** @type {HTMLDivElement} */ (element.current), collection, {
      onNeed: (keys) => app.need(keys),
      onEnd: () => app.more(),
      onBroken: (key) => app.broken(key),
      onSettled: (key) => app.uploads.release(key),
    });
    app.grid = grid;
    collection.onChange = (key) => (key === null ? grid.plan() : grid.touch(key));
    collection.isReading = () => grid.isScrolled();
    return () => grid.stop();
  }, []);
  const loading = !collection.complete.value && !collection.length.value;
  return <div id="grid" role="list" aria-labelledby="heading" aria-busy={loading} ref={element} />;
}
