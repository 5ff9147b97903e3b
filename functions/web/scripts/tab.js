// The tab's session storage, which survives reloads and going back. It never contains passwords or session tokens.

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

/** Whether a user has signed in with this browser. Only a hint for the home page; it grants nothing. */
export const signedInBefore = {
  get: () => localStorage.getItem("signed-in") === "1",
  set: () => localStorage.setItem("signed-in", "1"),
  clear: () => localStorage.removeItem("signed-in"),
};
