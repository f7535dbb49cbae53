/**
 * The other tabs of the service, which share its cookie: `onChange` runs when one of them has signed in or out.
 * @param {string | URL} base
 * @param {() => void} onChange
 */
export function otherTabs(base, onChange) {
  const channel = new BroadcastChannel(`session of ${new URL('.', base)}`);
  channel.onmessage = onChange;
  return channel;
}
