// Where the user is signed in, and what happened to the account.

import { deviceName } from "./agent.js";
import { $, answerAtHeading, confirmed, element, onPress, show, tell } from "./page.js";
import { withAccount } from "./session.js";
import { canSay, moment, say } from "./say.js";

/** How a session began. @param {string[]} amr */
const how = (amr) => say(`amr.${amr.includes("mfa") ? "mfa" : (amr[0] ?? "pwd")}`);

/** @param {string} name @param {(Node | string)[]} lines */
const described = (name, ...lines) => element("div", {}, element("b", {}, name), ...lines.map((line) => element("small", {}, line)));

export async function drawSessions() {
  const sessions = await withAccount((account) => account.sessions());
  sessions.sort((a, b) => Number(b.current) - Number(a.current) || b.last_used_at.localeCompare(a.last_used_at));
  show($("end-others"), sessions.length > 1);
  $("sessions").replaceChildren(
    ...sessions.map((session) => {
      const name = deviceName(session.client);
      const dates = say("session_dates", { since: moment(session.created_at), used: moment(session.last_used_at) });
      const client = session.client_id ? [say("session_client", { client: session.client_id })] : [];
      const words = described(session.current ? `${name} · ${say("session_current")}` : name, `${how(session.amr)} · ${dates}`, ...client);
      if (session.current) return element("li", {}, words);
      const end = element("button", { type: "button", class: "secondary remove", "aria-label": `${say("end_session")}: ${name}` }, say("end_session"));
      onPress(end, async () => {
        await withAccount((account) => account.endSession(session.id));
        await ended("session_ended");
      });
      return element("li", {}, words, end);
    }),
  );
}

/** @param {string} what */
async function ended(what) {
  answerAtHeading("sessions-title");
  await drawSessions();
  tell(say(what));
}

onPress($("end-others"), async () => {
  if (!(await confirmed(say("confirm_others"), say("end_session")))) return;
  await withAccount((account) => account.endOtherSessions());
  await ended("others_ended");
});

// Activity

/** Where the next page begins. @type {string | undefined} */
let next;

/** @param {{at: string, event: string, client?: string, amr?: string[]}} entry */
function activity({ at, event, client, amr }) {
  const key = `events.${event}`;
  const details = [moment(at), ...(client ? [deviceName(client)] : []), ...(amr?.length ? [how(amr)] : [])];
  return element("li", {}, described(canSay(key) ? say(key) : event, details.join(" · ")));
}

/** Adds a page of entries to the list. @param {string} [after] */
export async function drawActivity(after) {
  const page = await withAccount((account) => account.activity(after));
  const entries = page.items.map(activity);
  if (after) $("activity").append(...entries);
  else $("activity").replaceChildren(...entries);
  next = page.next;
  show($("more-activity"), Boolean(next));
}

onPress($("more-activity"), () => drawActivity(next));
