import { useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';

import { described } from '../text/words.js';

/** The image of a picture. @param {{blob: import('../types').Picture}} props */
export function Figure({ blob }) {
  const broken = useSignal(false);
  const sheet = useRef(/** @type {HTMLDivElement | null} */ (null));
  const { downloadUrl, width, height } = blob;
  // By a property, because the content security policy allows no style attributes.
  useLayoutEffect(() => {
    if (width && height) sheet.current?.style.setProperty('--ratio', String(width / height));
  }, [width, height]);
  if (!downloadUrl) return <figure />;
  return (
    <figure>
      <div class="sheet" ref={sheet}>
        {broken.value
          ? <p>This browser can’t show the picture. <a href={downloadUrl} download="">Download it</a></p>
          : (
            <img
              class="whole"
              src={downloadUrl}
              alt={described(blob)}
              width={width ?? undefined}
              height={height ?? undefined}
              onError={() => { broken.value = true; }}
            />
          )}
      </div>
    </figure>
  );
}
