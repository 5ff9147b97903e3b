// What happened to an account, as list items.

import { deviceName } from "./agent.js";
import { element } from "./page.js";
import { canSay, moment, say } from "./say.js";

/** How a session began. @param {string[]} amr */
export const how = (amr) => say(`amr.${amr.includes("mfa") ? "mfa" : (amr[0] ?? "pwd")}`);

/** @param {string} name @param {(Node | string)[]} lines */
export const described = (name, ...lines) =>
  element("div", {}, element("b", {}, name), ...lines.map((line) => element("small", {}, line)));

/** @param {import("./api.js").Activity} entry */
export function activity({ at, event, client, amr, by }) {
  const key = `events.${event}`;
  const details = [moment(at), ...(client ? [deviceName(client)] : []), ...(amr?.length ? [how(amr)] : []), ...(by ? [say("by_operator")] : [])];
  return element("li", {}, described(canSay(key) ? say(key) : event, details.join(" · ")));
}
