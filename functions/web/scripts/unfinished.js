// Changes that need a recent sign-in. If the last one is too old, the user signs in, comes back, and the change is finished. What was typed
// waits in the tab's session storage, except passwords and codes.

import { user } from "./account-user.js";
import { $, confirmed } from "./page.js";
import { withAccount } from "./session.js";
import { forget, keep, recall, take } from "./tab.js";

/** The change that is being finished. */
let finishing = "";

/**
 * @template T
 * @param {string} name as in the texts `reauth` of the sign-in page
 * @param {Parameters<typeof withAccount<T>>[0]} what
 * @param {object} [typed] what the form needs to make the change again
 * @returns {Promise<T>}
 */
export async function changing(name, what, typed = {}) {
  const { id, email, phone, has_password } = user();
  keep("unfinished", { name, typed, user: id, email, phone, has_password });
  try {
    return await withAccount(what);
  } finally {
    forget("unfinished");
  }
}

/** Asks the user, unless they have answered before they signed in. @param {string} name @param {string} question @param {string} yes */
export async function sure(name, question, yes) {
  if (finishing !== name) return confirmed(question, yes);
  finishing = "";
  return true;
}

/**
 * A way to finish a change that takes a button only.
 * @param {string} id of the button
 */
export const pressing = (id) => (/** @type {unknown} */ _, /** @type {boolean} */ press) => press && $(id).click();

/** What was typed for a change that waits. @param {string} name */
export function waitingChange(name) {
  const unfinished = recall("unfinished");
  return unfinished?.name === name && unfinished.user === user().id ? unfinished.typed : null;
}

/**
 * Finishes the change for which the user has signed in, if there is one.
 * @param {Record<string, (typed: any, press: boolean) => void>} ways by name: fills the form and, if the user came back for it, presses its button
 */
export function finish(ways) {
  const [unfinished, returned] = [take("unfinished"), take("returned")];
  // Another user can have signed in.
  if (unfinished?.user !== user().id) return false;
  // A page that was closed in the middle, or whose session has ended, must not act when it is opened again.
  if (returned) finishing = unfinished.name;
  ways[unfinished.name]?.(unfinished.typed, returned);
  return Boolean(returned);
}
