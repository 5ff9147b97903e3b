// Parses and formats numbers. Money is an integer of millionths, as in the API, to avoid floating-point errors.

import { language } from "./say.js";

const MILLION = 1_000_000n;
const POINT = new Intl.NumberFormat(language).formatToParts(0.5).find(({ type }) => type === "decimal")?.value ?? ".";

/** Millionths as a plain decimal number for a field, such as “0.05” or “12.50”. @param {number} millionths */
export function decimal(millionths, point = POINT) {
  const decimals = String(BigInt(millionths) % MILLION).padStart(6, "0");
  return `${BigInt(millionths) / MILLION}${point}${decimals.replace(/0{1,4}$/, "")}`;
}

/** Typed money in millionths; `undefined` if it is invalid or ambiguous. @param {string} text */
export function millionths(text) {
  const [, whole, point, decimals = ""] = /^(\d+)(?:([.,])(\d{1,6}))?$/.exec(text) ?? [];
  // “1,000” is ambiguous: a thousand or one.
  if (!whole || (point && point !== POINT && decimals.length === 3)) return undefined;
  const amount = BigInt(whole) * MILLION + BigInt(decimals.padEnd(6, "0"));
  return amount <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(amount) : undefined;
}

/** A typed count; `undefined` if it is invalid. @param {string} text */
export const whole = (text) => (/^\d{1,15}$/.test(text) ? Number(text) : undefined);

/** A formatted count. @param {number} count */
export const counted = (count) => new Intl.NumberFormat(language).format(count);

/** Formatted money, such as “$0.05”. @param {number} millionths @param {string} currency */
export function money(millionths, currency) {
  const digits = { minimumFractionDigits: 2, maximumFractionDigits: 6 };
  const format = new Intl.NumberFormat(language, { style: "currency", currency, currencyDisplay: "narrowSymbol", ...digits });
  return format.format(/** @type {any} */ (decimal(millionths, ".")));
}
