/**
 * Takes keys out of an order. Returns the rest, and a function that puts some of the keys back into the order as it is
 * then.
 * @param {string[]} order
 * @param {Set<string>} keys
 */
export function takeOut(order, keys) {
  /** @type {Map<string, number>} */
  const places = new Map();
  order.forEach((key, place) => {
    if (keys.has(key)) places.set(key, place);
  });
  const putBack = (/** @type {string[]} */ later, /** @type {string[]} */ back) => {
    const result = [...later];
    const known = back.filter((key) => places.has(key) && !later.includes(key));
    const placeOf = (/** @type {string} */ key) => /** @type {number} */ (places.get(key));
    for (const key of known.sort((one, other) => placeOf(one) - placeOf(other))) result.splice(placeOf(key), 0, key);
    return result;
  };
  return { rest: order.filter((key) => !keys.has(key)), putBack };
}
