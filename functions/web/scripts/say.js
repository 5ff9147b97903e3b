// The texts of scripts, in the language of the page. The script before the page's own has set them.

/** @type {any} */
const texts = globalThis.texts ?? {};

export const language = document.documentElement.lang;

/**
 * The text of `key`, such as `errors.wrong_code`, with `{name}` replaced by `values.name`. If the text has plural forms, `values.count`
 * selects one.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function say(key, values = {}) {
  let text = key.split(".").reduce((at, part) => at?.[part], texts);
  if (text && typeof text !== "string") {
    text = text[new Intl.PluralRules(language).select(Number(values.count))] ?? text.other;
  }
  return (text ?? key).replace(/\{(\w+)\}/g, (/** @type {string} */ _, /** @type {string} */ name) => String(values[name] ?? ""));
}

/** Whether a text exists. @param {string} key */
export function canSay(key) {
  return say(key) !== key;
}

/** A formatted duration, such as “12 minutes”. @param {number} seconds */
export function wait(seconds) {
  const units = [["second", 1], ["minute", 60], ["hour", 3600], ["day", 86_400]];
  const [unit, length] = units[[90, 90 * 60, 36 * 3600].filter((most) => seconds >= most).length];
  const format = new Intl.NumberFormat(language, { style: "unit", unit: String(unit), unitDisplay: "long" });
  return format.format(Math.max(1, Math.ceil(seconds / Number(length))));
}

/** A countdown, such as “4:07”. @param {number} seconds */
export function clock(seconds) {
  const rest = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(rest / 60)}:${String(rest % 60).padStart(2, "0")}`;
}

/** A formatted date. @param {string} time RFC 3339 */
export function day(time) {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(new Date(time));
}

const MOMENT = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

/** A formatted date and time. @param {string | Date} time RFC 3339, or a date */
export const moment = (time) => MOMENT.format(new Date(time));

/** Text that reads from left to right in every language and stays on one line, such as a phone number. @param {string} text */
export const ltr = (text) => `\u2066${text.replace(/ /g, "\u00a0").replace(/-/g, "\u2011")}\u2069`;
