// Staying signed in. The access token lives in this page's memory only; the refresh token in a cookie that no script sees.

import { Problem, account, logout, refresh } from "./api.js";
import { go } from "./page.js";
import { say } from "./say.js";
import { forget, keep, signedInBefore, take } from "./tab.js";

/** @type {string | null} */
let accessToken = null;

/** How long a refresh of a page that has been left may still be under way, in milliseconds. */
const LEFT_BEHIND = 3000;

/**
 * A new access token. One tab at a time: a refresh token works once, and a second use of it would end the session.
 * @returns {Promise<import("./api.js").Session>}
 */
async function renewed() {
  return await navigator.locks.request("session", async () => {
    // A page that was left in the middle of this gave up the lock, not its request: the cookie is about to change.
    const since = Date.now() - Number(localStorage.getItem("refreshing") ?? 0);
    if (since >= 0 && since < LEFT_BEHIND) await new Promise((resolve) => setTimeout(resolve, LEFT_BEHIND - since));
    localStorage.setItem("refreshing", String(Date.now()));
    try {
      const session = await refresh();
      accessToken = session.access_token;
      signedInBefore.set();
      return session;
    } finally {
      localStorage.removeItem("refreshing");
    }
  });
}

/**
 * Takes up the session of before, or sends the visitor to sign in and back here.
 * @returns {Promise<import("./api.js").User>}
 */
export async function resume() {
  try {
    return (await renewed()).user;
  } catch (error) {
    if (error instanceof Problem && [401, 403].includes(error.status)) await signInAgain("signed_out");
    throw error;
  }
}

/**
 * Does something with the account. A token that has run out meanwhile is renewed once; where a fresh sign-in is asked
 * for, the visitor is sent there and back.
 * @template T
 * @param {(account: ReturnType<typeof import("./api.js").account>) => Promise<T>} what
 * @returns {Promise<T>}
 */
export async function withAccount(what) {
  if (!accessToken) await resume();
  try {
    return await what(account(accessToken ?? ""));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.code === "reauth_required") return signInAgain("reauth");
    if (error.code !== "invalid_token") throw error;
    await resume();
    return what(account(accessToken ?? "")).catch((again) =>
      again instanceof Problem && again.code === "reauth_required" ? signInAgain("reauth") : Promise.reject(again),
    );
  }
}

/**
 * @param {"reauth" | "signed_out"} why
 * @returns {Promise<never>} the page is being left
 */
function signInAgain(why) {
  if (why === "signed_out") signedInBefore.clear();
  keep("next", { path: location.pathname, why });
  go("/login", { replace: why === "signed_out" });
  return new Promise(() => {});
}

/** Someone has just signed in: back to where that was asked for, or to the profile. */
export function signedIn() {
  signedInBefore.set();
  const next = take("next");
  for (const name of ["challenge", "registration"]) forget(name);
  // A number that was on its way to the profile is still wanted there.
  if (!next) forget("phone");
  go(next?.path ?? "/profile", { replace: true });
}

export async function signOut() {
  await logout();
  accessToken = null;
  signedInBefore.clear();
  sessionStorage.clear();
  keep("flash", say("signed_out"));
  go("/", { replace: true });
}
