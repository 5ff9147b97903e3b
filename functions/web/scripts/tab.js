// What the browser keeps: the tab's session storage, which survives reloads and going back, and hints that all tabs share. Neither ever
// contains passwords or session tokens.

/**
 * @param {string} name
 * @returns {any} the stored value, or null
 */
export function recall(name) {
  return JSON.parse(sessionStorage.getItem(name) ?? "null");
}

/** @param {string} name @param {unknown} value */
export function keep(name, value) {
  sessionStorage.setItem(name, JSON.stringify(value));
}

/** @param {string} name */
export function forget(name) {
  sessionStorage.removeItem(name);
}

/** Reads and removes a value. @param {string} name */
export function take(name) {
  const value = recall(name);
  forget(name);
  return value;
}

/** The way in that this browser last used, `phone` or `email`. */
export const lastWay = {
  get: () => localStorage.getItem("way"),
  set: (/** @type {string} */ way) => localStorage.setItem("way", way),
};
