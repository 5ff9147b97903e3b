// Who operates the service in this page: an admin who is signed in, or the holder of the admin key, which stays in this page's memory.

import { admin } from "./api.js";
import { $, element, fieldError, show, submits, warn } from "./page.js";
import { renewQuietly, withToken } from "./session.js";
import { say } from "./say.js";
import { keep } from "./tab.js";

/** @typedef {ReturnType<typeof admin>} Routes */

let key = "";

/** The routes, with the token of the admin's session. */
const bySession = /** @type {Routes} */ (
  Object.fromEntries(
    Object.keys(admin("")).map((route) => [
      route,
      (/** @type {unknown[]} */ ...given) => withToken((token) => /** @type {any} */ (admin(token))[route](...given)),
    ]),
  )
);

/** The routes for operators, with the admin key if it was entered, and otherwise with the session. */
export const operator = () => (key ? admin(key) : bySession);

/** Hides what operators see. @param {() => void} [hidden] */
export function lock(hidden) {
  key = "";
  $("admin-key").value = "";
  hidden?.();
  show($("opened"), false);
  show($("lock"), false);
  show($("key-form"), true);
  $("admin-key").focus();
}

/** Handles what takes the rights of an operator away: a key that is no longer valid, or a sign-in that is too old. @param {import("./api.js").Problem} problem @param {() => void} [hidden] */
export function lockedOut(problem, hidden) {
  if (problem.code === "invalid_admin_key") {
    lock(hidden);
    fieldError("admin-key", say("errors.invalid_admin_key"));
    return true;
  }
  if (problem.code !== "reauth_required") return false;
  const link = element("a", { href: "/login" }, say("sign_in"));
  link.addEventListener("click", () => keep("next", { path: location.pathname, why: "reauth" }));
  warn(`${say("errors.reauth_required")} `, link);
  return true;
}

/**
 * Opens the page for an admin who is signed in with two steps, and otherwise asks for the admin key.
 * @param {() => Promise<void>} open shows what operators see; it fails if the caller is none
 */
export async function openForOperator(open) {
  const opened = () => {
    show($("key-form"), false);
    show($("opened"), true);
    show($("lock"), Boolean(key));
  };
  submits(
    $("key-form"),
    async () => {
      key = $("admin-key").value.trim();
      try {
        await open();
      } catch (error) {
        key = "";
        throw error;
      }
      $("admin-key").value = "";
      opened();
    },
    { fields: { invalid_admin_key: "admin-key" } },
  );
  const user = await renewQuietly();
  if (user?.role !== "admin") return;
  try {
    await open();
    opened();
  } catch (error) {
    lockedOut(/** @type {import("./api.js").Problem} */ (error));
  }
}
