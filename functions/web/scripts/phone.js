// The phone field: a country picker and a number in any common notation. The server validates the number.

import { combobox } from "./combobox.js";
import { regionsOfCode } from "./countries.js";
import { $, show } from "./page.js";
import { language } from "./say.js";
import { keep, recall } from "./tab.js";

/** Region to calling code. @type {Map<string, string>} */
const codeOfRegion = new Map();
for (const [code, regions] of Object.entries(regionsOfCode)) {
  for (const region of regions.split(" ")) codeOfRegion.set(region, code);
}

const names = new Intl.DisplayNames(language, { type: "region" });
const collator = new Intl.Collator(language);

/**
 * The countries with phone numbers, sorted by name.
 * @param {string[]} allowed ISO 3166-1 alpha-2 codes, or `*`
 */
export function countries(allowed) {
  const regions = [...codeOfRegion.keys()].filter((region) => allowed.includes("*") || allowed.includes(region));
  return regions
    .map((value) => ({ value, label: nameOf(value), note: `+${codeOfRegion.get(value)}` }))
    .sort((a, b) => collator.compare(a.label, b.label));
}

/** @param {string} region */
export const nameOf = (region) => names.of(region) ?? region;

/**
 * The typed or pasted number as digits with an optional leading `+`. Keeps unknown characters, so that the server rejects the number
 * instead of guessing.
 * @param {string} text
 * @param {string} code the calling code of the chosen country
 */
function cleaned(text, code) {
  // Copied numbers can contain invisible characters and unusual spaces and hyphens.
  const number = text.replace(/[\s().\/\-\u00ad\u200b-\u200f\u2010-\u2015\u202a-\u202e\u2060-\u2069\ufeff]/g, "");
  if (number.startsWith("00")) return `+${number.slice(2)}`;
  if (code === "1" && number.startsWith("011")) return `+${number.slice(3)}`;
  return number;
}

/** The calling code of an international number. No calling code is a prefix of another. @param {string} number */
function codeOf(number) {
  return [1, 2, 3].map((length) => number.slice(1, 1 + length)).find((code) => code in regionsOfCode);
}

/**
 * @param {{allowed: string[], prefix?: string, start?: {country?: string, typed?: string} | null}} how `prefix` of the ids
 */
export function phoneField({ allowed, prefix = "", start }) {
  const input = /** @type {HTMLInputElement} */ ($(`${prefix}phone`));
  const code = $(`${prefix}phone-code`);
  const options = countries(allowed);
  const offered = (/** @type {string | undefined} */ region) => options.find(({ value }) => value === region);
  let country = offered(start?.country) ?? offered(recall("country")) ?? offered(homeRegion()) ?? options[0];

  const picker = combobox($(`${prefix}country`), {
    options: () => options,
    keeps: true,
    picked: (option, leaving) => {
      country = /** @type {typeof country} */ (option);
      keep("country", country.value);
      draw();
      if (!leaving) input.focus();
    },
  });

  const present = () => cleaned(input.value, codeOfRegion.get(country?.value) ?? "");

  function draw() {
    picker.set(country);
    code.textContent = country?.note ?? "";
    show(code, !present().startsWith("+"));
  }

  // An international number selects its country, unless the selected one has the same calling code.
  input.addEventListener("input", () => {
    const number = present();
    const found = number.startsWith("+") ? codeOf(number) : undefined;
    if (found && codeOfRegion.get(country?.value) !== found) {
      country = regionsOfCode[found].split(" ").map(offered).find((region) => region) ?? country;
    }
    draw();
  });

  if (start?.typed) input.value = start.typed;
  draw();

  return {
    input,
    /** The number in international form. */
    value: () => (present().startsWith("+") ? present() : `${country?.note ?? ""}${present()}`),
    /** The state to restore the field from. */
    state() {
      const written = input.value.trim();
      const shown = present().startsWith("+") ? written.replace(/^00|^011/, "+") : `${country?.note ?? ""} ${written}`;
      return { country: country?.value, typed: input.value, number: this.value(), shown };
    },
  };
}

/** The region of the browser's preferred language. */
function homeRegion() {
  for (const tag of navigator.languages) {
    const { region } = new Intl.Locale(tag);
    if (region) return region;
  }
  return new Intl.Locale(navigator.language).maximize().region;
}
