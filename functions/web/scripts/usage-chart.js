// The messages of each day as a bar chart, drawn as SVG.

import { counted } from "./amount.js";
import { $, element } from "./page.js";
import { language, say } from "./say.js";

/** @typedef {{day: string, sent: number, verified: number}} Bar */

const NAMESPACE = "http://www.w3.org/2000/svg";
const DAYS = 30;
const DAY = 24 * 60 * 60 * 1000;
const SHORT = new Intl.DateTimeFormat(language, { day: "numeric", month: "short", timeZone: "UTC" });

/** The parts of the drawing, in its own units. */
const WIDTH = 600;
const HEIGHT = 140;

/** @param {string} name @param {Record<string, string | number>} attributes @param {(Node | string)[]} children */
function shape(name, attributes, ...children) {
  const node = document.createElementNS(NAMESPACE, name);
  for (const [attribute, value] of Object.entries(attributes)) node.setAttribute(attribute, String(value));
  node.append(...children);
  return node;
}

/** The last days, oldest first, those without messages too. @param {Bar[]} bars @param {Date} today */
function everyDay(bars, today) {
  return Array.from({ length: DAYS }, (_, index) => {
    const day = new Date(today.getTime() - (DAYS - 1 - index) * DAY).toISOString().slice(0, 10);
    return bars.find((bar) => bar.day === day) ?? { day, sent: 0, verified: 0 };
  });
}

/** @param {Bar[]} bars those of days with messages @param {Date} today */
export function drawChart(bars, today) {
  const all = everyDay(bars, today);
  const most = Math.max(1, ...all.map(({ sent }) => sent));
  const step = WIDTH / DAYS;
  const tall = (/** @type {number} */ count) => (count / most) * HEIGHT;
  const columns = all.map(({ day, sent, verified }, index) => {
    const text = say("usage.bar", { day: SHORT.format(new Date(day)), sent: counted(sent), verified: counted(verified) });
    const bar = (/** @type {string} */ kind, /** @type {number} */ count) =>
      shape("rect", { class: kind, x: index * step + 2, width: step - 4, y: HEIGHT - tall(count), height: tall(count) });
    return shape("g", {}, shape("title", {}, text), bar("sent", sent), bar("verified", Math.min(verified, sent)));
  });
  const ends = [all[0], all[DAYS - 1]].map(({ day }) => element("span", {}, SHORT.format(new Date(day))));
  const chart = shape(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img", "aria-labelledby": "usage-chart-title usage-chart-summary" },
    ...columns,
  );
  const best = all.reduce((best, bar) => (bar.sent > best.sent ? bar : best));
  const summary = say("usage.most", { day: SHORT.format(new Date(best.day)), sent: counted(best.sent) });
  const dates = element("div", { class: "chart-ends", "aria-hidden": "true" }, ...ends);
  $("usage-chart").replaceChildren(chart, dates, element("p", { class: "hint", id: "usage-chart-summary" }, summary));
}
