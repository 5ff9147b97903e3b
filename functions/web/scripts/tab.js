// What this tab remembers, so that a reload or a step back loses nothing. Passwords and session tokens are never in it.

/**
 * @param {string} name
 * @returns {any} what was kept, or null
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

/** What was kept, once. @param {string} name */
export function take(name) {
  const value = recall(name);
  forget(name);
  return value;
}

/** Whether somebody has signed in with this browser: a hint for what to offer, nothing that opens anything. */
export const signedInBefore = {
  get: () => localStorage.getItem("signed-in") === "1",
  set: () => localStorage.setItem("signed-in", "1"),
  clear: () => localStorage.removeItem("signed-in"),
};
