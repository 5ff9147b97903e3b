// The part of the settings form that bounds costs: budgets, prices, rate limits and the breaker.

import { decimal, millionths, whole } from "./amount.js";
import { Problem } from "./api.js";
import { combobox } from "./combobox.js";
import { $, element } from "./page.js";
import { countries, nameOf } from "./phone.js";
import { say } from "./say.js";

/** @typedef {import("./api.js").Money} Money */
/** @typedef {import("./api.js").Budget} Budget */

const PARTS = /** @type {const} */ (["budgets", "prices", "limits", "breaker"]);
const PERIODS = /** @type {const} */ (["hour", "day", "month"]);
const LIMITS = /** @type {const} */ (["address_hour", "address_day", "prefix_hour", "number_day", "client_hour"]);

/** @param {string} name */
const limitId = (name) => `limit-${name.replace("_", "-")}`;

/** @param {string} id @param {string} label @param {string} part @param {string} inputmode */
function input(id, label, part, inputmode) {
  return element("input", { id, "aria-label": label, "aria-describedby": `${part}-error`, type: "text", inputmode, autocomplete: "off" });
}

/** Sets a field's value and default value, so that `refuseMoney` can tell whether the user changed it. @param {any} field @param {string} value */
function set(field, value) {
  field.value = field.defaultValue = value;
  field.removeAttribute("aria-invalid");
}

/**
 * @template T
 * @param {HTMLInputElement} field @param {(text: string) => T | undefined} parse @param {T} [empty] what an empty field means
 */
function read(field, parse, empty) {
  const text = field.value.trim();
  const value = text || empty === undefined ? parse(text) : empty;
  if (value === undefined) field.setAttribute("aria-invalid", "true");
  return value;
}

/** The fields of one budget, with a row per period. @param {string} id @param {string} label */
function budgetTable(id, label) {
  const names = [say("money.messages"), say("money.spend")];
  const head = element("tr", {}, element("td", {}), ...names.map((name) => element("th", { scope: "col" }, name)));
  const rows = PERIODS.map((period) => {
    const name = say(`money.${period}`);
    const cell = (/** @type {string} */ what, /** @type {string} */ column, /** @type {string} */ mode) =>
      element("td", {}, input(`${id}-${period}-${what}`, `${label}: ${name}, ${column}`, "budgets", mode));
    const cells = [cell("messages", names[0], "numeric"), cell("spend", names[1], "decimal")];
    return element("tr", {}, element("th", { scope: "row" }, name), ...cells);
  });
  return element("table", { class: "budget" }, element("thead", {}, head), element("tbody", {}, ...rows));
}

/** @param {string} id @param {Budget} budget */
function setBudget(id, budget) {
  for (const period of PERIODS) {
    const { messages, spend } = budget[period];
    set($(`${id}-${period}-messages`), messages === null ? "" : String(messages));
    set($(`${id}-${period}-spend`), spend === null ? "" : decimal(spend));
  }
}

/** @param {string} id */
function readBudget(id) {
  const allowance = (/** @type {string} */ period) => ({
    messages: read($(`${id}-${period}-messages`), whole, null),
    spend: read($(`${id}-${period}-spend`), millionths, null),
  });
  return Object.fromEntries(PERIODS.map((period) => [period, allowance(period)]));
}

/**
 * A list of countries with their own values, and a field to add a country.
 * @param {string} name of the ids @param {(region: string) => Node[]} entry
 */
function byCountry(name, entry) {
  /** @type {Set<string>} */
  const regions = new Set();
  const list = $(`${name}-countries`);
  const picker = $(`add-${name}`);
  const count = () => ($(`${name}-count`).textContent = regions.size ? `(${regions.size})` : "");

  function add(/** @type {string} */ region) {
    const remove = element("button", { type: "button", class: "remove", "aria-label": `${say("remove")}: ${nameOf(region)}` }, "×");
    const item = element("li", {}, element("span", {}, nameOf(region)), ...entry(region), remove);
    remove.addEventListener("click", () => {
      regions.delete(region);
      item.remove();
      count();
      picker.focus();
    });
    regions.add(region);
    list.append(item);
    count();
  }

  combobox(picker, {
    options: () => countries(["*"]).filter(({ value }) => !regions.has(value)),
    keeps: false,
    picked: ({ value }, leaving) => {
      add(value);
      if (!leaving) list.lastElementChild.querySelector("input").focus();
    },
  });
  return {
    add,
    clear() {
      regions.clear();
      list.replaceChildren();
      count();
    },
    /** @template T @param {(region: string) => T} read */
    read: (read) => Object.fromEntries([...regions].sort().map((region) => [region, read(region)])),
  };
}

$("budget-all").append(budgetTable("budget-all", $("budgets-title").textContent));
$("budget-each").append(budgetTable("budget-each", $("budget-each-title").textContent));
const budgets = byCountry("budget", (region) => [budgetTable(`budget-${region}`, nameOf(region))]);
const prices = byCountry("price", (region) => [input(`price-${region}`, nameOf(region), "prices", "decimal")]);

for (const part of PARTS) {
  $(part).addEventListener("input", (/** @type {any} */ event) => {
    event.target.removeAttribute("aria-invalid");
    $(`${part}-error`).textContent = "";
  });
}

/** @param {Money} stored */
export function drawMoney(stored) {
  for (const part of PARTS) $(`${part}-error`).textContent = "";
  setBudget("budget-all", stored.budgets.all);
  setBudget("budget-each", stored.budgets.country);
  budgets.clear();
  for (const [region, budget] of Object.entries(stored.budgets.countries)) {
    budgets.add(region);
    setBudget(`budget-${region}`, budget);
  }
  set($("currency"), stored.prices.currency);
  set($("price"), decimal(stored.prices.default));
  prices.clear();
  for (const [region, price] of Object.entries(stored.prices.countries)) {
    prices.add(region);
    set($(`price-${region}`), decimal(price));
  }
  for (const name of LIMITS) set($(limitId(name)), String(stored.limits[name]));
  $("breaker-mode").value = stored.breaker.mode;
  set($("breaker-floor"), String(stored.breaker.floor));
  set($("breaker-share"), String(stored.breaker.share_percent));
}

/** The values of the fields. Marks invalid fields and throws a `Problem` for the first part that has one. */
export function typedMoney() {
  for (const part of PARTS) for (const field of $(part).querySelectorAll("input")) field.removeAttribute("aria-invalid");
  const typed = {
    budgets: {
      all: readBudget("budget-all"),
      country: readBudget("budget-each"),
      countries: budgets.read((region) => readBudget(`budget-${region}`)),
    },
    prices: {
      currency: $("currency").value.trim().toUpperCase(),
      default: read($("price"), millionths),
      countries: prices.read((region) => read($(`price-${region}`), millionths)),
    },
    limits: Object.fromEntries(LIMITS.map((name) => [name, read($(limitId(name)), whole)])),
    breaker: {
      mode: $("breaker-mode").value,
      floor: read($("breaker-floor"), whole),
      share_percent: read($("breaker-share"), whole),
    },
  };
  const wrong = PARTS.find((part) => $(part).querySelector("[aria-invalid]"));
  if (wrong) throw new Problem({ code: "invalid_setting", field: wrong });
  return typed;
}

/** Shows the error of the part that a problem names, and keeps the input. @param {string} [part] */
export function refuseMoney(part) {
  if (!PARTS.some((name) => name === part)) return false;
  $(`${part}-error`).textContent = say(`money.invalid_${part}`);
  const fields = [...$(`${part}`).querySelectorAll("input:not([role])")];
  const field = fields.find((field) => field.hasAttribute("aria-invalid")) ?? fields.find((field) => field.value !== field.defaultValue) ?? fields[0];
  field.setAttribute("aria-invalid", "true");
  field.closest("details")?.setAttribute("open", "");
  field.focus();
  return true;
}
