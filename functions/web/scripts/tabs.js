// What the tabs of a browser share: one session cookie. They tell each other when it changes and take turns in renewing it.

const channel = new BroadcastChannel("session");

/** Milliseconds to wait for another tab. One that hangs must not hold up this one. */
const PATIENCE = 2000;

/** The key of the shared storage: the id of the user who is signed in. It grants nothing. */
const SIGNED_IN = "signed-in";

/** @type {AbortController | undefined} */
let renewal;

// A sign-in or sign-out in another tab: an answer to an older request must not overwrite its cookie.
channel.addEventListener("message", () => renewal?.abort());

/** Announces that this tab has signed in or out. */
export function supersede() {
  renewal?.abort();
  channel.postMessage("superseded");
}

/**
 * Renews the session cookie, in one tab at a time if they all answer in time.
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} renew
 * @returns {Promise<T>}
 */
export async function inTurn(renew) {
  const run = () => {
    renewal = new AbortController();
    return renew(renewal.signal);
  };
  if (!navigator.locks) return run();
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE);
  try {
    return await navigator.locks.request("session", { signal: patience.signal }, () => {
      clearTimeout(timer);
      return run();
    });
  } catch (error) {
    if (!patience.signal.aborted) throw error;
    return run();
  }
}

/** The user who is signed in with this browser, as far as its tabs know. */
export const signedInUser = {
  get: () => localStorage.getItem(SIGNED_IN),
  set: (/** @type {string} */ id) => localStorage.setItem(SIGNED_IN, id),
  clear: () => localStorage.removeItem(SIGNED_IN),
};

/**
 * Calls back when another tab has signed in or out: at once, or when this tab wakes up.
 * @param {(user: string | null) => void} changed
 */
export function onAccountChange(changed) {
  let known = signedInUser.get();
  const compare = () => {
    const user = signedInUser.get();
    if (user === known) return;
    known = user;
    changed(user);
  };
  addEventListener("storage", compare);
  addEventListener("pageshow", compare);
  document.addEventListener("visibilitychange", compare);
}
