// The part of the settings form that says how the pages look: logo, colours, corners and links.

import { $, fieldError } from "./page.js";
import { say } from "./say.js";

/** The field of each setting, and what to say when its value is refused. @type {Record<string, Record<string, [id: string, text: string]>>} */
const PARTS = {
  theme: {
    logo_url: ["theme-logo", "look.invalid_url"],
    accent: ["theme-accent", "look.invalid_accent"],
    radius: ["theme-radius", ""],
  },
  links: {
    terms: ["link-terms", "look.invalid_url"],
    privacy: ["link-privacy", "look.invalid_url"],
    help: ["link-help", "look.invalid_url"],
  },
};

/** @param {import("./api.js").Settings} settings */
export function drawLook(settings) {
  for (const [part, fields] of Object.entries(PARTS)) {
    for (const [name, [id]] of Object.entries(fields)) $(id).value = Object(settings)[part][name] ?? "";
  }
}

/** What is stored, in the form of `typedLook`. @param {import("./api.js").Settings} settings */
export const storedLook = (settings) => eachField((part, name) => Object(settings)[part][name] ?? "");

/** @returns {Record<string, Record<string, string>>} */
export const typedLook = () => eachField((_, __, id) => $(id).value.trim());

/** @param {(part: string, name: string, id: string) => string} value */
function eachField(value) {
  const part = (/** @type {[string, (typeof PARTS)[string]]} */ [part, fields]) => {
    const values = Object.entries(fields).map(([name, [id]]) => [name, value(part, name, id)]);
    return [part, Object.fromEntries(values)];
  };
  return Object.fromEntries(Object.entries(PARTS).map(part));
}

/** Shows that a value is refused. Returns false if the setting isn't part of the look. @param {string} [setting] such as `theme.accent` */
export function refuseLook(setting = "") {
  const [part, name] = setting.split(".");
  const [id, text] = PARTS[part]?.[name] ?? [];
  if (!id || !text) return false;
  fieldError(id, say(text));
  $(id).focus();
  return true;
}
