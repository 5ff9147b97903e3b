// The usage section: messages, costs and sign-ins of the last 30 days, and the state of the breaker.

import { counted, money } from "./amount.js";
import { $, element, show } from "./page.js";
import { nameOf } from "./phone.js";
import { canSay, language, say } from "./say.js";

/** @typedef {import("./api.js").Figures} Figures */
/** @typedef {import("./api.js").Tripped} Tripped */

const DAY = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" });
const MOMENT = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

/** The name and formatted value of each figure. @param {Figures} figures @param {string} currency @returns {[string, string][]} */
function columns(figures, currency) {
  const failed = Object.values(figures.failed).reduce((sum, count) => sum + count, 0);
  const { cost_per_sign_in: cost } = figures;
  return [
    ["sent", counted(figures.sent)],
    ["delivered", counted(figures.delivered)],
    ["failed", counted(failed)],
    ["verified", counted(figures.verified)],
    ["sign_ins", counted(figures.sign_ins)],
    ["spent", money(figures.spent, currency)],
    ["cost", cost === null ? "–" : money(cost, currency)],
  ];
}

/** @param {string} name */
const heading = (name) => say(`usage.${name}`);

/** @param {import("./api.js").Usage} usage */
function drawTotals({ total, currency }) {
  const entries = columns(total, currency).map(([name, value]) =>
    element("div", {}, element("dt", {}, heading(name)), element("dd", {}, value)),
  );
  $("usage-total").replaceChildren(...entries);
  const reasons = Object.entries(total.failed).sort(([, a], [, b]) => b - a);
  $("usage-failed").replaceChildren(
    ...reasons.map(([reason, count]) => {
      const key = `usage.failures.${reason}`;
      return element("li", {}, `${canSay(key) ? say(key) : reason}: ${counted(count)}`);
    }),
  );
}

/** @param {import("./api.js").Usage} usage */
function drawDays({ total, days, currency }) {
  const names = columns(total, currency).map(([name]) => element("th", { scope: "col" }, heading(name)));
  const head = element("tr", {}, element("th", { scope: "col" }, heading("country")), ...names);
  const table = element("table", {}, element("thead", {}, head));
  for (const day of new Set(days.map(({ day }) => day))) {
    const title = element("th", { scope: "rowgroup", colspan: "8" }, element("span", {}, DAY.format(new Date(day))));
    const rows = days.filter((row) => row.day === day).map((row) => {
      const cells = columns(row, currency).map(([, value]) => element("td", {}, value));
      return element("tr", {}, element("th", { scope: "row" }, nameOf(row.country)), ...cells);
    });
    table.append(element("tbody", {}, element("tr", { class: "day" }, title), ...rows));
  }
  $("usage-days").replaceChildren(table);
}

/** A list item about one tripped scope. @param {string} scope @param {Tripped} tripped */
function tripped(scope, { step, cause, until }) {
  const spent = cause.startsWith("budget");
  const values = { scope, cause: say(`usage.causes.${cause}`), until: MOMENT.format(new Date(until)) };
  return element("li", {}, say(`usage.steps.${spent ? "spent" : step}`, values));
}

/** @param {import("./api.js").Usage} usage */
function drawBreaker({ breaker }) {
  const { mode, step, cause, since, until } = breaker;
  const scopes = [
    ...(cause && since && until ? [tripped(heading("everything"), { step, cause, since, until })] : []),
    ...Object.entries(breaker.countries).map(([region, each]) => tripped(nameOf(region), each)),
    ...Object.entries(breaker.prefixes).map(([digits, each]) => tripped(`+${digits}…`, each)),
  ];
  $("breaker-state").textContent = say(scopes.length === 0 ? "usage.normal" : mode === "enforce" ? "usage.held" : "usage.recorded");
  $("breaker-scopes").replaceChildren(...scopes);
}

/** @param {import("./api.js").Usage} usage */
export function drawUsage(usage) {
  const empty = usage.days.length === 0;
  show($("usage-empty"), empty);
  show($("usage-figures"), !empty);
  drawTotals(usage);
  drawDays(usage);
  drawBreaker(usage);
  $("usage-status").textContent = say("usage.at", { time: MOMENT.format(new Date()) });
}
