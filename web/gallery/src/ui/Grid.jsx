import { useEffect, useRef } from 'preact/hooks';

import { VirtualGrid } from './VirtualGrid.js';

/** The pictures of the collection. Only this component's element is Preact's; its tiles are not. @param {{app: import('../app.js').App}} props */
export function Grid({ app }) {
  const { collection } = app;
  const element = useRef(/** @type {HTMLDivElement | null} */ (null));
  useEffect(() => {
    const grid = new VirtualGrid(/** @type {HTMLDivElement} */ (element.current), collection, app.selection, {
      onNeed: (keys) => app.need(keys),
      onEnd: () => app.more(),
      onBroken: (key) => app.broken(key),
      onSettled: (key) => app.uploads.value?.release(key),
    });
    app.grid = grid;
    collection.onChange = (key) => (key === null ? grid.plan() : grid.touch(key));
    collection.isReading = () => grid.isScrolled();
    return () => grid.stop();
  }, []);
  const loading = !collection.complete.value && !collection.length.value;
  const selecting = app.selection.keys.value.size > 0;
  const some = collection.length.value > 0;
  return (
    <div
      id="grid"
      ref={element}
      class={selecting ? 'selecting' : ''}
      role={some ? 'grid' : undefined}
      aria-multiselectable={some ? true : undefined}
      aria-labelledby={some ? 'heading' : undefined}
      aria-busy={loading}
    />
  );
}
