// The phone field: a country to pick, and a number in whichever form people have it. The server judges the number.

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
 * The countries that have phone numbers, by name.
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
 * What someone typed or pasted, as digits with or without a `+` before them; anything else that is in it stays, so that
 * it is refused rather than guessed at.
 * @param {string} text
 * @param {string} code the calling code of the chosen country
 */
function cleaned(text, code) {
  // Invisible marks and odd spaces and hyphens come along when numbers are copied.
  const number = text.replace(/[\s().\/\-\u00ad\u200b-\u200f\u2010-\u2015\u202a-\u202e\u2060-\u2069\ufeff]/g, "");
  if (number.startsWith("00")) return `+${number.slice(2)}`;
  if (code === "1" && number.startsWith("011")) return `+${number.slice(3)}`;
  return number;
}

/** The calling code that an international number begins with; none begins with another. @param {string} number */
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

  // An international number says its country itself; of several with one calling code the chosen one stays.
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
    /** What to fill the field with again. */
    state() {
      return { country: country?.value, typed: input.value, number: this.value() };
    },
  };
}

/** Where the browser's languages say that we are. */
function homeRegion() {
  for (const tag of navigator.languages) {
    const { region } = new Intl.Locale(tag);
    if (region) return region;
  }
  return new Intl.Locale(navigator.language).maximize().region;
}
