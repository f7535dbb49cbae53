import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';

import { described, percent } from '../text/words.js';
import { Boxes } from './Boxes.jsx';
import { listen } from './gestures.js';
import { movedBy, WHOLE, within, zoomAt } from './zoom.js';

const STEP = 1.6; // of one press of a zoom button

/** @typedef {import('../types').Picture} Picture */
/** @typedef {import('../types').Tile} Tile */

/** The image of a picture with its boxes, which can be zoomed. @param {{viewer: import('../state/viewer.js').Viewer}} props */
export function Stage({ viewer }) {
  const stage = useRef(/** @type {HTMLElement | null} */ (null));
  const sheet = useRef(/** @type {HTMLDivElement | null} */ (null));
  const { zoom } = viewer;
  const blob = viewer.blob.value;
  const tile = blob ?? viewer.preview.value;

  /** @param {import('./zoom.js').Zoom} next */
  const show = (next) => {
    if (!stage.current || !sheet.current) return;
    const { offsetWidth, offsetHeight } = sheet.current;
    const { clientWidth, clientHeight } = stage.current;
    zoom.value = within(next, { width: offsetWidth, height: offsetHeight }, { width: clientWidth, height: clientHeight });
  };
  useEffect(() => listen(/** @type {HTMLElement} */ (stage.current), {
    isZoomed: () => zoom.value.scale > 1,
    onZoom: (factor, x, y) => show(zoomAt(zoom.value, factor, x, y)),
    onWhole: () => show(WHOLE),
    onMove: (dx, dy) => show(movedBy(zoom.value, dx, dy)),
    onSwipe: (by) => viewer.step(by),
  }), []);
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const [dx, dy] = MOVES[event.key] ?? [0, 0];
    if (!event.shiftKey || !(dx || dy) || zoom.value.scale === 1) return;
    event.preventDefault();
    show(movedBy(zoom.value, dx, dy));
  };
  const { scale, x, y } = zoom.value;
  const style = {
    '--ratio': blob?.width && blob.height ? blob.width / blob.height : 1,
    transform: `translate(${x}px, ${y}px) scale(${scale})`,
  };
  return (
    <figure ref={stage} class={scale > 1 ? 'zoomed' : ''} onKeyDown={onKeyDown}>
      <div class="sheet" ref={sheet} style={style}>
        {blob ? <Whole key={blob.id} blob={blob} /> : <Preview tile={tile} />}
        {blob && <Boxes viewer={viewer} blob={blob} />}
      </div>
      {tile?.downloadUrl && <Tools viewer={viewer} blob={blob} stage={stage} zoomBy={(factor) => show(zoomAt(zoom.value, factor))} />}
    </figure>
  );
}

/** The steps of Shift and an arrow key, in pixels. @type {Record<string, [number, number]>} */
const MOVES = { ArrowLeft: [80, 0], ArrowRight: [-80, 0], ArrowUp: [0, 80], ArrowDown: [0, -80] };

/** The thumbnail, while the picture loads. @param {{tile: Tile | null}} props */
function Preview({ tile }) {
  return tile?.thumbnailUrl ? <img class="whole" src={tile.thumbnailUrl} alt={described(tile)} /> : null;
}

const NOT_SHOWN = new Set(['HEIC', 'TIFF']); // by most browsers; others would load the whole file in vain

/** The original; a large WebP of it, where the browser can't show that. @param {{blob: Picture}} props */
function Whole({ blob }) {
  const broken = useSignal(false);
  const { shownUrl, previewUrl, width, height, contentType } = blob;
  if (!shownUrl) return null;
  const isPreview = broken.value || (previewUrl !== null && NOT_SHOWN.has(contentType));
  const source = isPreview ? previewUrl : shownUrl;
  return (
    <>
      {source && (
        <img
          class="whole"
          src={source}
          alt={described(blob)}
          width={width ?? undefined}
          height={height ?? undefined}
          draggable={false}
          onError={() => { broken.value = true; }}
        />
      )}
      {!source && <p class="hint">{whyNotShown(blob)}</p>}
    </>
  );
}

/** Says why an image can't be shown. @param {Picture} blob */
function whyNotShown({ failure, contentType }) {
  if (failure?.code === 'CORRUPT_IMAGE') return 'The file is damaged and can’t be shown.';
  const what = NOT_SHOWN.has(contentType) ? `${contentType} files` : 'this file';
  return `This browser can’t show ${what}. Download the original to see it.`;
}

/**
 * @param {{
 *   viewer: import('../state/viewer.js').Viewer,
 *   blob: Picture | null,
 *   stage: import('preact').RefObject<HTMLElement | null>,
 *   zoomBy: (factor: number) => void,
 * }} props
 */
function Tools({ viewer, blob, stage, zoomBy }) {
  const { boxes, zoom } = viewer;
  const { scale } = zoom.value;
  const hasBoxes = (blob?.labels ?? []).some(({ instances }) => instances.length);
  const fullScreen = () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else stage.current?.requestFullscreen().catch(() => viewer.notices.show('The browser refused the full screen.'));
  };
  return (
    <div class="tools" role="group" aria-label="View">
      {hasBoxes && <button type="button" aria-pressed={boxes.value} onClick={() => { boxes.value = !boxes.value; }}>Boxes</button>}
      <button type="button" aria-label="Zoom out" disabled={scale === 1} onClick={() => zoomBy(1 / STEP)}>−</button>
      <output aria-label="Zoom">{percent(scale * 100)}</output>
      <button type="button" aria-label="Zoom in" onClick={() => zoomBy(STEP)}>+</button>
      {document.fullscreenEnabled && <button type="button" onClick={fullScreen}>Full screen</button>}
      {blob?.downloadUrl && <a class="button" href={blob.downloadUrl} download="" target="_blank" rel="noopener">Download</a>}
    </div>
  );
}
