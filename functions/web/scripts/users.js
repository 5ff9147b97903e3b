// Users, as operators see them: find one, see the account, and help its user.

import { Problem } from "./api.js";
import { activity } from "./activity.js";
import { lock, lockedOut, openForOperator, operator } from "./operator.js";
import { $, answerAt, confirmed, element, fieldError, hush, onPress, ready, show, submits, tell } from "./page.js";
import { ltr, moment, say } from "./say.js";

/** The user that is shown. @type {import("./api.js").AdminUser} */
let shown;

const yes = (/** @type {boolean} */ is) => say(is ? "yes" : "no");

/** @param {import("./api.js").AdminUser} user */
const stateOf = ({ disabled, role }) => [say(disabled ? "disabled" : "active"), ...(role === "admin" ? [say("admin")] : [])].join(" · ");

function draw() {
  const user = shown;
  const facts = {
    name: user.name,
    state: stateOf(user),
    id: user.id,
    email: `${user.email}${user.email_verified ? " ✓" : ""}`,
    phone: user.phone ? ltr(user.phone) : say("no"),
    "two-step": yes(user.two_step),
    totp: yes(user.totp),
    codes: String(user.recovery_codes_left),
    password: yes(user.has_password),
    sessions: String(user.sessions),
    devices: String(user.devices),
    created: moment(user.created_at),
    used: user.last_used_at ? moment(user.last_used_at) : say("never"),
  };
  for (const [fact, text] of Object.entries(facts)) $(`user-${fact}`).textContent = text;
  const possible = {
    "show-user": user.email.includes("•"),
    "remove-phone": Boolean(user.phone),
    "remove-totp": user.totp,
    enable: user.disabled,
    disable: !user.disabled,
    "make-admin": user.role !== "admin",
    "end-admin": user.role === "admin",
  };
  for (const [button, is] of Object.entries(possible)) show($(button), is);
  show($("user"), true);
}

/** Shows a user and what happened to the account. @param {import("./api.js").AdminUser} user */
async function open(user) {
  shown = user;
  draw();
  await drawActivity();
  $("user-name").focus();
}

/** Where the next page of entries begins. @type {string | undefined} */
let nextEntries;

/** @param {string} [after] */
async function drawActivity(after) {
  const page = await operator().userActivity(shown.id, after);
  const entries = page.items.map(activity);
  if (after) $("activity").append(...entries);
  else $("activity").replaceChildren(...entries);
  nextEntries = page.next;
  show($("more-activity"), Boolean(nextEntries));
}

/** Where the next page of users begins. @type {string | undefined} */
let nextUsers;

/** @param {string} [after] */
async function drawUsers(after) {
  const page = await operator().users({ view: "masked", ...(after && { after }) });
  const entries = page.items.map((user) => {
    const button = element("button", { type: "button", class: "quiet" }, user.name);
    onPress(button, () => open(user), lockedOut);
    return element("li", {}, element("div", {}, button, element("small", {}, `${stateOf(user)} · ${user.email} · ${moment(user.created_at)}`)));
  });
  if (after) $("users").append(...entries);
  else $("users").replaceChildren(...entries);
  nextUsers = page.next;
  show($("more-users"), Boolean(nextUsers));
}

/** What was typed, as the API looks it up. @param {string} typed */
function lookup(typed) {
  if (typed.includes("@")) return { email: typed };
  const digits = typed.replace(/[\s()./-]/g, "");
  if (/^(\+|00)\d{6,}$/.test(digits)) return { phone: digits.replace(/^00/, "+") };
  return { id: typed };
}

submits(
  $("find-form"),
  async () => {
    const { items } = await operator().users({ view: "masked", ...lookup($("find").value.trim()) });
    if (items.length > 0) return open(items[0]);
    fieldError("find", say("none"));
    $("find").focus();
  },
  { fields: { invalid_email: "find", invalid_phone: "find" }, problem: lockedOut },
);

/**
 * A button that changes the user, after a question if there is one.
 * @param {string} id of the button
 * @param {() => Promise<unknown>} change
 * @param {boolean} [asks] whether there is a question
 */
function changes(id, change, asks = true) {
  const question = `confirm_${id.replace("-", "_")}`;
  onPress(
    $(id),
    async () => {
      if (asks && !(await confirmed(say(question, { name: shown.name }), $(id).textContent ?? ""))) return;
      await change();
      shown = await operator().user(shown.id, "masked");
      draw();
      await drawActivity();
      answerAt($("user-name"));
      tell(say("done"));
    },
    lockedOut,
  );
}

const act = (/** @type {string} */ action) => () => operator().act(shown.id, action);
changes("sign-out", act("sign-out"));
changes("unlock", act("unlock"), false);
changes("remove-phone", act("remove-phone"));
changes("remove-totp", act("remove-totp"));
changes("enable", act("enable"), false);
changes("disable", act("disable"));
changes("make-admin", () => operator().setRole(shown.id, "admin"));
changes("end-admin", () => operator().setRole(shown.id, "user"));

onPress(
  $("show-user"),
  async () => {
    shown = await operator().user(shown.id);
    draw();
  },
  lockedOut,
);
onPress(
  $("delete"),
  async () => {
    if (!(await confirmed(say("confirm_delete_user", { name: shown.name }), $("delete").textContent ?? ""))) return;
    await operator().deleteUser(shown.id);
    show($("user"), false);
    await drawUsers();
    answerAt($("newest-title"));
    $("newest-title").focus();
    tell(say("done"));
  },
  lockedOut,
);
onPress($("more-activity"), () => drawActivity(nextEntries), lockedOut);
onPress($("more-users"), () => drawUsers(nextUsers), lockedOut);

function forget() {
  show($("user"), false);
  for (const list of ["users", "activity"]) $(list).replaceChildren();
}

$("lock").addEventListener("click", () => {
  hush();
  lock(forget);
});

await openForOperator(async () => {
  await drawUsers();
  $("find").focus();
}).catch((error) => console.error(Problem.from(error)));
ready($("opened").hidden ? $("admin-key") : $("find"));
