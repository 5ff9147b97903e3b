// The phone field: a country picker and a number as people write it. The server reads and validates the number.

import { combobox } from "./combobox.js";
import { exampleOfRegion, regionsOfCode } from "./countries.js";
import { asciiDigits, withoutMarks } from "./input.js";
import { namesOf } from "./names.js";
import { $, show } from "./page.js";
import { language, ltr, say } from "./say.js";
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
  const isMain = (/** @type {string} */ region) => regionsOfCode[codeOfRegion.get(region) ?? ""].startsWith(region);
  return regions
    .map((value) => ({ value, label: nameOf(value), note: `+${codeOfRegion.get(value)}`, main: isMain(value), others: () => namesOf(value) }))
    .sort((a, b) => collator.compare(a.label, b.label));
}

/** @param {string} region */
export const nameOf = (region) => names.of(region) ?? region;

/**
 * The typed or pasted number: digits and what else the user wrote, so that the server rejects the rest instead of guessing.
 * @param {string} text
 */
function cleaned(text) {
  return asciiDigits(withoutMarks(text))
    .replace(/＋/g, "+")
    .replace(/[\s().\/\-‐-―−]/g, "");
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

  const present = () => cleaned(input.value);

  function draw() {
    picker.set(country);
    code.textContent = country?.note ?? "";
    show(code, !present().startsWith("+"));
  }

  // An international number selects its country, unless the selected one has the same calling code.
  input.addEventListener("input", () => {
    const number = present().replace(/^00/, "+");
    const found = number.startsWith("+") ? codeOf(number) : undefined;
    if (found && codeOfRegion.get(country?.value) !== found) {
      country = regionsOfCode[found].split(" ").map(offered).find((region) => region) ?? country;
    }
    draw();
  });

  if (start?.typed && !input.value) input.value = start.typed;
  draw();

  return {
    input,
    /** The number as the API takes it. @returns {import("./api.js").Phone} */
    value: () => ({ phone: present(), ...(country && { country: country.value }) }),
    /** The state to restore the field from. */
    state() {
      const written = asciiDigits(withoutMarks(input.value.trim()));
      // A zero can belong to the number or not, so a national number stays as it was written.
      const national = written.startsWith("0") ? `${written} (${country?.note})` : `${country?.note} ${written}`;
      const shown = present().startsWith("+") ? written : national;
      return { country: country?.value, typed: input.value, number: this.value(), shown };
    },
    /** What a number of the country looks like, for a refusal. */
    expected() {
      const example = exampleOfRegion[country?.value];
      return example ? ` ${say("expected_phone", { country: country.label, example: ltr(example) })}` : "";
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
