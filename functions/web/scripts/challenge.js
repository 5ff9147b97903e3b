// The active challenge, kept in the tab's session storage so that the code page survives a reload.

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

/** Opens the code page. @param {import("./api.js").Challenge} challenge */
export function enterCode(challenge) {
  keepChallenge(challenge);
  go("/code");
}

/** Seconds until a server time. @param {Kept} challenge @param {string} time */
export const secondsUntil = (challenge, time) => (Date.parse(time) - Date.now() - challenge.ahead) / 1000;
