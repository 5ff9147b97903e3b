// The usage section: messages, costs and sign-ins of the last 30 days, and the state of the breaker.

import { counted, decimal, money } from "./amount.js";
import { download } from "./download.js";
import { $, element, show } from "./page.js";
import { nameOf } from "./phone.js";
import { canSay, language, moment, say } from "./say.js";
import { now } from "./time.js";
import { drawChart } from "./usage-chart.js";

/** @typedef {import("./api.js").Figures} Figures */
/** @typedef {import("./api.js").Tripped} Tripped */

const DAY = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeZone: "UTC" });
const PERCENT = new Intl.NumberFormat(language, { style: "percent" });

/** @param {Figures} figures */
const failures = ({ failed }) => Object.values(failed).reduce((sum, count) => sum + count, 0);

/** The name and formatted value of each figure. @param {Figures} figures @param {string} currency @returns {[string, string][]} */
function columns(figures, currency) {
  const { cost_per_sign_in: cost } = figures;
  return [
    ["sent", counted(figures.sent)],
    ["delivered", counted(figures.delivered)],
    ["failed", counted(failures(figures))],
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
function drawTotals({ total, currency, senders }) {
  const entries = columns(total, currency).map(([name, value]) =>
    element("div", {}, element("dt", {}, heading(name)), element("dd", {}, value)),
  );
  $("usage-total").replaceChildren(...entries);
  const bySender = Object.entries(senders).map(([sender, { sent, refused }]) =>
    say("usage.sender", { sender: sender === "webhook" ? say("usage.hook") : "Clickatell", sent: counted(sent), refused: counted(refused) }),
  );
  const tests = total.tests > 0 ? [say("usage.tests", { count: counted(total.tests) })] : [];
  $("usage-senders").replaceChildren(...[...bySender, ...tests].map((line) => element("li", {}, line)));
  const reasons = Object.entries(total.failed).sort(([, a], [, b]) => b - a);
  $("usage-failed").replaceChildren(
    ...reasons.map(([reason, count]) => {
      const key = `usage.failures.${reason}`;
      return element("li", {}, `${canSay(key) ? say(key) : reason}: ${counted(count)}`);
    }),
  );
}

/** The head of a table of countries. @param {Figures} figures @param {string} currency */
function tableHead(figures, currency) {
  const names = ["country", ...columns(figures, currency).map(([name]) => name)];
  return element("thead", {}, element("tr", {}, ...names.map((name) => element("th", { scope: "col" }, heading(name)))));
}

/** @param {string} country @param {Figures} figures @param {string} currency */
function tableRow(country, figures, currency) {
  const cells = columns(figures, currency).map(([, value]) => element("td", {}, value));
  return element("tr", {}, element("th", { scope: "row" }, nameOf(country)), ...cells);
}

/**
 * The rows of each value of a column, in the order in which they come.
 * @template {"day" | "country"} Column
 * @param {import("./api.js").Usage["days"]} days @param {Column} column
 */
const groups = (days, column) =>
  [...new Set(days.map((row) => row[column]))].map((value) => ({ value, rows: days.filter((row) => row[column] === value) }));

/** @param {import("./api.js").Usage} usage */
function drawDays({ total, days, currency }) {
  const bodies = groups(days, "day").map(({ value: day, rows }) => {
    const title = element("th", { scope: "rowgroup", colspan: "9" }, element("span", {}, DAY.format(new Date(day))));
    return element("tbody", {}, element("tr", { class: "day" }, title), ...rows.map((row) => tableRow(row.country, row, currency)));
  });
  $("usage-days").replaceChildren(element("table", {}, tableHead(total, currency), ...bodies));
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
    tests: of((row) => row.tests),
    spent,
    cost_per_sign_in: signIns === 0 ? null : Math.floor(spent / signIns),
  };
}

/** @param {import("./api.js").Usage} usage */
function drawCountries({ total, days, currency }) {
  const countries = groups(days, "country").map(({ value: country, rows }) => ({ country, figures: sum(rows) }));
  countries.sort((a, b) => b.figures.spent - a.figures.spent || b.figures.sent - a.figures.sent);
  const rows = countries.map(({ country, figures }) => tableRow(country, figures, currency));
  $("usage-countries").replaceChildren(element("table", {}, tableHead(total, currency), element("tbody", {}, ...rows)));
}

/** The days and countries as a table for spreadsheets (RFC 4180). Names and amounts are as in the API. @param {import("./api.js").Usage} usage */
function csv({ days, currency }) {
  const head = ["day", "country", "sent", "delivered", "failed", "verified", "sign_ins", `spent_${currency}`];
  const rows = days.map((row) => [row.day, row.country, row.sent, row.delivered, failures(row), row.verified, row.sign_ins, decimal(row.spent, ".")]);
  return [head, ...rows].map((cells) => `${cells.join(",")}\r\n`).join("");
}

/** A list item about one tripped scope. @param {string} scope @param {Tripped} tripped */
function tripped(scope, { step, cause, until }) {
  const spent = cause.startsWith("budget");
  const values = { scope, cause: say(`usage.causes.${cause}`), until: moment(until) };
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
    groups(usage.days, "day").map(({ value: day, rows }) => ({ day, ...sum(rows) })),
    new Date(now()),
  );
  drawCountries(usage);
  drawDays(usage);
  drawBreaker(usage);
  $("usage-csv").onclick = () => download("usage.csv", "text/csv", csv(usage));
  $("usage-status").textContent = say("usage.at", { time: moment(new Date()) });
}
