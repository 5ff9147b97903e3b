// The names under which people look for a country: in their language, in English, in the country's own language, and common ones.

import { language } from "./say.js";

/** Names that no locale has, by region. Spelled without accents and in lower case. @type {Record<string, string>} */
const COMMON = {
  AE: "uae|emirates|eau|emiratos",
  BA: "bosnia",
  BO: "bolivia",
  CD: "drc|zaire|congo-kinshasa",
  CG: "congo-brazzaville",
  CI: "ivory coast|cote d'ivoire|costa de marfil",
  CV: "cape verde",
  CZ: "czech republic|czechia",
  DO: "rep dom|dominican",
  FK: "malvinas",
  GB: "uk|great britain|britain|england|scotland|wales|northern ireland|inglaterra|escocia|angleterre|inghilterra|anglia|ingiltere|schottland|wielka brytania",
  IR: "persia",
  KP: "dprk",
  KR: "south korea|rok|korea",
  LA: "lao",
  MD: "moldova",
  MK: "macedonia|fyrom",
  MM: "burma|birma|birmania",
  NL: "holland|holanda|hollande|olanda|hollanda|holandia",
  PS: "palestine",
  RU: "russian federation",
  SA: "ksa",
  SY: "syria",
  SZ: "swaziland",
  TL: "east timor",
  TR: "turkey|turkiye",
  TW: "formosa",
  TZ: "tanzania",
  US: "usa|america|united states of america|eeuu|ee uu|estados unidos|vs|abd|etats-unis|eua|stany zjednoczone",
  VA: "holy see|vatican",
  VN: "viet nam",
};

/** @param {string} locale @param {"long" | "short"} style */
const displayNames = (locale, style) => new Intl.DisplayNames(locale, { type: "region", style, fallback: "none" });

/** The names of the page's language and of English, long and short. */
const locales = [...new Set([language, "en"])].flatMap((locale) => [displayNames(locale, "long"), displayNames(locale, "short")]);

/** The main language of a region. @param {string} region */
function own(region) {
  try {
    return displayNames(new Intl.Locale(`und-${region}`).maximize().language, "long").of(region);
  } catch {
    return undefined;
  }
}

/** @type {Map<string, string[]>} */
const found = new Map();

/** Other names of a region. @param {string} region */
export function namesOf(region) {
  const known = found.get(region);
  if (known) return known;
  const names = [...locales.map((each) => each.of(region)), own(region), ...(COMMON[region] ?? "").split("|")];
  const all = [...new Set(names.filter((name) => name))].map(String);
  found.set(region, all);
  return all;
}
