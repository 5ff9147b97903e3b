// The active challenge, kept in the tab's session storage so that the code page survives a reload.

import { go } from "./page.js";
import { forget, keep, recall } from "./tab.js";

/** @typedef {import("./api.js").Challenge & {attempts_left?: number}} Kept */

/** @param {Kept} challenge */
export const keepChallenge = (challenge) => keep("challenge", challenge);

/** @returns {Kept | null} */
export const keptChallenge = () => recall("challenge");

export const forgetChallenge = () => forget("challenge");

/** Opens the code page. @param {import("./api.js").Challenge} challenge */
export function enterCode(challenge) {
  forget("codes-shown");
  keepChallenge(challenge);
  go("/code");
}
