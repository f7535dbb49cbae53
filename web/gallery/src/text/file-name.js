const MOST = 255;

/**
 * Returns the name of a file as createUpload takes it, with "_" for what it refuses; undefined if there is none.
 * @param {string} name
 */
export function fileName(name) {
  const allowed = name.replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}/\\]/gu, '_');
  const cut = [...allowed].slice(-MOST).join('');
  return ['', '.', '..'].includes(cut) ? undefined : cut;
}
