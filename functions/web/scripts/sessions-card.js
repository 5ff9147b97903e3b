// Where the user is signed in, and what happened to the account.

import { activity, described, how } from "./activity.js";
import { deviceName } from "./agent.js";
import { $, answerAtHeading, confirmed, element, onPress, show, tell } from "./page.js";
import { withAccount } from "./session.js";
import { moment, say } from "./say.js";

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
