// The code that someone is about to enter, kept in this tab so that a reload of the code page loses nothing.

import { clockAhead } from "./api.js";
import { go } from "./page.js";
import { forget, keep, recall } from "./tab.js";

/** @typedef {import("./api.js").Challenge & {ahead: number}} Kept */

/** @param {import("./api.js").Challenge} challenge */
export function keepChallenge(challenge) {
  keep("challenge", { ...challenge, ahead: clockAhead });
}

/** @returns {Kept | null} */
export const keptChallenge = () => recall("challenge");

export const forgetChallenge = () => forget("challenge");

/** On to the code page. @param {import("./api.js").Challenge} challenge */
export function enterCode(challenge) {
  keepChallenge(challenge);
  go("/code");
}

/** Seconds from now to a time of the server's. @param {Kept} challenge @param {string} time */
export const secondsUntil = (challenge, time) => (Date.parse(time) - Date.now() - challenge.ahead) / 1000;
