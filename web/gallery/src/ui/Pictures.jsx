import { pictureHash } from '../router.js';
import { described } from '../text/words.js';

/** A heading and small pictures that lead to their view; nothing where there are none. @param {{heading: string, found: import('../types').Tile[]}} props */
export function Pictures({ heading, found }) {
  if (!found.length) return null;
  return (
    <section class="alike">
      <h3>{heading}</h3>
      <ul aria-label={heading}>
        {found.map((blob) => (
          <li key={blob.id}>
            <a href={pictureHash(blob.id)}>
              <img src={blob.thumbnailUrl ?? blob.downloadUrl ?? undefined} alt={described(blob)} loading="lazy" width={96} height={96} />
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}
