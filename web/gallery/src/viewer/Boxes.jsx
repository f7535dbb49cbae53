/**
 * The places of labels: all of them with their names when boxes are shown, else those of the highlighted label.
 * They are for the eye; the list of labels is for screen readers.
 * @param {{viewer: import('../state/viewer.js').Viewer, blob: import('../types').Picture}} props
 */
export function Boxes({ viewer, blob }) {
  const lit = viewer.highlighted.value;
  const all = viewer.boxes.value;
  const shown = (blob.labels ?? []).filter(({ name }) => all || name === lit);
  return (
    <div class="boxes" aria-hidden="true">
      {shown.flatMap(({ name, instances }) => instances.map(({ boundingBox }, index) => (
        <div
          key={`${name} ${index}`}
          class={name === lit ? 'box lit' : 'box'}
          data-of={name}
          style={Object.fromEntries(Object.entries(boundingBox).map(([side, part]) => [side, `${part * 100}%`]))}
          onClick={() => { viewer.highlighted.value = name === lit ? null : name; }}
        >
          {all && <span>{name}</span>}
        </div>
      )))}
    </div>
  );
}
