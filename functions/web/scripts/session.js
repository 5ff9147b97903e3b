// The user's session. The access token is only in the page's memory; the refresh token is in a cookie that scripts can't read.

import { Problem, account, logout, refresh } from "./api.js";
import { backToClient, pending } from "./client.js";
import { go } from "./page.js";
import { say } from "./say.js";
import { forget, keep, take } from "./tab.js";
import { inTurn, onAccountChange, signedInUser } from "./tabs.js";

/** @type {string | null} */
let accessToken = null;

/** The id of the user whose page this is. @type {string | null} */
let me = null;

/** Whether the user has asked to leave: what ends with the session must not lead anywhere else. */
let leaving = false;

/** Milliseconds that the refresh of a closed page can still take. */
const LEFT_BEHIND = 3000;

/** The page is closing. @returns {Promise<never>} */
const never = () => new Promise(() => {});

/**
 * Refreshes the session, one tab at a time, because using a refresh token twice can end the session.
 * @returns {Promise<import("./api.js").Session>}
 */
async function renewed() {
  return await inTurn(async (signal) => {
    // A page that was closed during its refresh gave up its turn, but its request continues and will change the cookie.
    const since = Date.now() - Number(localStorage.getItem("refreshing") ?? 0);
    if (since >= 0 && since < LEFT_BEHIND) await new Promise((resolve) => setTimeout(resolve, LEFT_BEHIND - since));
    localStorage.setItem("refreshing", String(Date.now()));
    try {
      return await refresh(signal);
    } finally {
      localStorage.removeItem("refreshing");
    }
  });
}

/**
 * Resumes the session, or sends the user to sign in and back to this page.
 * @returns {Promise<import("./api.js").User>}
 */
export async function resume() {
  try {
    const session = await renewed();
    // The cookie is of another user by now: this page must not act for them.
    if (me && me !== session.user.id) return reload();
    accessToken = session.access_token;
    me = session.user.id;
    signedInUser.set(me);
    return session.user;
  } catch (error) {
    if (error instanceof Problem && error.code === "superseded") return reload();
    if (error instanceof Problem && [401, 403].includes(error.status)) await signInAgain("signed_out");
    throw error;
  }
}

/**
 * Resumes the session if there is one. Otherwise, nothing happens.
 * @returns {Promise<import("./api.js").User | null>}
 */
export async function renewQuietly() {
  if (!signedInUser.get()) return null;
  try {
    const session = await renewed();
    accessToken = session.access_token;
    me = session.user.id;
    return session.user;
  } catch {
    return null;
  }
}

/**
 * Runs an action with the access token. Renews an expired one once.
 * @template T
 * @param {(token: string) => Promise<T>} what
 * @returns {Promise<T>}
 */
export async function withToken(what) {
  try {
    return await what(accessToken ?? "");
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== "invalid_token") throw error;
    await resume();
    return what(accessToken ?? "");
  }
}

/** @returns {Promise<never>} */
function reload() {
  if (!leaving) location.reload();
  return never();
}

/** Follows what other tabs do: another user's page opens anew, and after a sign-out the user signs in again. */
export function followOtherTabs() {
  onAccountChange((user) => {
    if (!me || user === me) return;
    accessToken = null;
    if (user) reload();
    else signInAgain("signed_out");
  });
}

/**
 * Runs an action with the account. Renews an expired access token once. If the action requires a recent sign-in, sends the user to sign
 * in and back.
 * @template T
 * @param {(account: ReturnType<typeof import("./api.js").account>) => Promise<T>} what
 * @returns {Promise<T>}
 */
export async function withAccount(what) {
  if (me && signedInUser.get() !== me) return reload();
  if (!accessToken) await resume();
  return withToken((token) => what(account(token))).catch((error) =>
    error instanceof Problem && error.code === "reauth_required" ? signInAgain("reauth") : Promise.reject(error),
  );
}

/**
 * @param {"reauth" | "signed_out"} why
 * @returns {Promise<never>} the page is closing
 */
function signInAgain(why) {
  if (leaving) return never();
  if (why === "signed_out") signedInUser.clear();
  keep("next", { path: location.pathname, why, pending });
  go("/login", { replace: why === "signed_out" });
  return never();
}

/** After a sign-in, returns to the page or to the client that required it, or opens the profile. @param {import("./api.js").Session} session */
export function signedIn(session) {
  signedInUser.set(session.user.id);
  const next = take("next");
  if (session.email_challenge) keep("email-challenge", { ...session.email_challenge, user: session.user.id });
  for (const name of ["challenge", "registration", "idle", "reset"]) forget(name);
  // The profile page still needs a phone number whose change was interrupted by the sign-in.
  if (!next) forget("phone");
  // A page that the user left earlier must not come before a client.
  const comesBack = next && (!pending || next.pending === pending);
  // A change waits only for the sign-in that it asked for.
  if (!comesBack) forget("unfinished");
  else if (next.why === "reauth") keep("returned", true);
  if (pending && !comesBack) return backToClient();
  go(next?.path ?? "/profile", { replace: true });
}

export async function signOut() {
  leaving = true;
  try {
    await logout();
  } catch (error) {
    leaving = false;
    throw error;
  }
  leave(say("signed_out"));
}

/** Forgets the user and opens the first page. @param {string} why */
export function leave(why) {
  leaving = true;
  accessToken = null;
  me = null;
  signedInUser.clear();
  sessionStorage.clear();
  keep("flash", why);
  go("/", { replace: true });
}
