// The usage section: messages, costs and sign-ins of the last 30 days, and the state of the breaker.

import { counted, decimal, money } from "./amount.js";
import { download } from "./download.js";
import { $, element, show } from "./page.js";
import { nameOf } from "./phone.js";
import { canSay, language, say } from "./say.js";
import { now } from "./time.js";
import { drawChart } from "./usage-chart.js";

/** @typedef {import("./api.js").Figures} Figures */
/** @typedef {import("./api.js").Tripped} Tripped */

const DAY = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" });
const PERCENT = new Intl.NumberFormat(language, { style: "percent" });
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
    ["conversion", figures.sent === 0 ? "–" : PERCENT.format(figures.verified / figures.sent)],
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
    const title = element("th", { scope: "rowgroup", colspan: "9" }, element("span", {}, DAY.format(new Date(day))));
    const rows = days.filter((row) => row.day === day).map((row) => {
      const cells = columns(row, currency).map(([, value]) => element("td", {}, value));
      return element("tr", {}, element("th", { scope: "row" }, nameOf(row.country)), ...cells);
    });
    table.append(element("tbody", {}, element("tr", { class: "day" }, title), ...rows));
  }
  $("usage-days").replaceChildren(table);
}

/** The figures of several rows together. @param {Figures[]} rows @returns {Figures} */
function sum(rows) {
  const of = (/** @type {(row: Figures) => number} */ figure) => rows.reduce((total, row) => total + figure(row), 0);
  const reasons = new Set(rows.flatMap((row) => Object.keys(row.failed)));
  const failed = Object.fromEntries([...reasons].map((reason) => [reason, of((row) => row.failed[reason] ?? 0)]));
  const [spent, signIns] = [of((row) => row.spent), of((row) => row.sign_ins)];
  return {
    sent: of((row) => row.sent),
    delivered: of((row) => row.delivered),
    failed,
    verified: of((row) => row.verified),
    sign_ins: signIns,
    spent,
    cost_per_sign_in: signIns === 0 ? null : Math.floor(spent / signIns),
  };
}

/** @param {import("./api.js").Usage} usage */
function drawCountries({ days, currency }) {
  const countries = [...new Set(days.map(({ country }) => country))].map((country) => ({
    country,
    figures: sum(days.filter((row) => row.country === country)),
  }));
  countries.sort((a, b) => b.figures.spent - a.figures.spent || b.figures.sent - a.figures.sent);
  const head = columns(sum([]), currency).map(([name]) => element("th", { scope: "col" }, heading(name)));
  const rows = countries.map(({ country, figures }) => {
    const cells = columns(figures, currency).map(([, value]) => element("td", {}, value));
    return element("tr", {}, element("th", { scope: "row" }, nameOf(country)), ...cells);
  });
  $("usage-countries").replaceChildren(
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, element("th", { scope: "col" }, heading("country")), ...head)),
      element("tbody", {}, ...rows),
    ),
  );
}

/** The days and countries as a table for spreadsheets (RFC 4180). Names and amounts are as in the API. @param {import("./api.js").Usage} usage */
function csv({ days, currency }) {
  const head = ["day", "country", "sent", "delivered", "failed", "verified", "sign_ins", `spent_${currency}`];
  const rows = days.map((row) => {
    const failed = Object.values(row.failed).reduce((total, count) => total + count, 0);
    return [row.day, row.country, row.sent, row.delivered, failed, row.verified, row.sign_ins, decimal(row.spent, ".")];
  });
  return [head, ...rows].map((cells) => `${cells.join(",")}\r\n`).join("");
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
  drawChart(
    [...new Set(usage.days.map(({ day }) => day))].map((day) => ({ day, ...sum(usage.days.filter((row) => row.day === day)) })),
    new Date(now()),
  );
  drawCountries(usage);
  drawDays(usage);
  drawBreaker(usage);
  $("usage-csv").onclick = () => download("usage.csv", "text/csv", csv(usage));
  $("usage-status").textContent = say("usage.at", { time: MOMENT.format(new Date()) });
}
