import { challenge as ask, loginPhone, registerPhone, resend, verify } from "./api.js";
import { forgetChallenge, keepChallenge, keptChallenge } from "./challenge.js";
import { backToClient, keeping, pending } from "./client.js";
import { $, answerAt, countDown, fieldError, go, hush, isOff, link, onPress, ready, show, submits, tell, turnOff, warn, words } from "./page.js";
import { asciiDigits, withoutMarks } from "./input.js";
import { showRecoveryCodes } from "./recovery-codes.js";
import { signedIn } from "./session.js";
import { canSay, clock, ltr, say } from "./say.js";
import { forget, keep, recall } from "./tab.js";
import { isKnown, now, secondsUntil } from "./time.js";

const input = /** @type {HTMLInputElement} */ ($("code"));
let current = /** @type {import("./challenge.js").Kept} */ (keptChallenge());

/** Whether this code can still be entered. */
let alive = true;

/** Whether the user enters a recovery code instead. */
let recovering = false;

/** The last submitted code, which isn't submitted automatically again. */
let tried = "";

/** @type {Record<string, string>} */
const BACK = {
  register: "/register",
  login: "/login",
  second_step: "/login",
  profile: "/profile",
  email: "/profile",
  reset: "/forgot",
  reset_second_step: "/forgot",
};

/** Whether this can be entered now. Only second steps have a choice. @param {"sms" | "email" | "totp" | "recovery_code"} method */
const accepts = (method) => current.methods?.includes(method) ?? method === current.channel;

/** Whether a code of a message can be entered. */
const acceptsMessage = () => accepts("sms") || accepts("email");

const isSecond = () => ["second_step", "reset_second_step"].includes(current.purpose);

/** Whether a recovery code can be entered: at a sign-in by phone too, for a phone that is lost. */
const acceptsRecoveryCode = () => current.purpose === "login" || accepts("recovery_code");

/** Whether nobody may learn from this page if there is such an account. */
const isSilent = () => ["login", "reset"].includes(current.purpose);

/** Whether the user enters a code of an authenticator app instead of the one in the message. */
let byApp = false;

/** Failures that another message to this number can't mend. */
const FINAL = ["number_refused", "not_allowed"];

/** Failures that aren't about this number alone. */
const OF_THE_SITE = ["account_refused", "prefix_limit", "held_back", "budget_spent"];

// The message

/** The whole number, if this tab asked for the code. */
function numberOf() {
  const phone = recall("phone");
  const end = (current.phone_hint ?? "").replace(/\D/g, "");
  const isThis = !isSecond() && phone?.number?.phone?.endsWith(end);
  return isThis ? ltr(phone.shown) : "";
}

/** What was sent to whom. */
function destination() {
  if (current.channel === "email") {
    return say(isSilent() ? "sent_to_email_reset" : "sent_to_email", { address: ltr(current.hint ?? "") });
  }
  const number = numberOf();
  const place = number ? { number } : { digits: (current.phone_hint ?? "").replace(/\D/g, "") };
  return say(`sent_to${number ? "_number" : ""}${isSilent() ? "_login" : ""}`, place);
}

function describe() {
  const { purpose, delivery, failure, attempts_left: left } = current;
  const silent = isSilent();
  const failed = delivery === "failed" && !silent;
  const second = isSecond();
  // There is no code to enter, unless an earlier message arrived.
  const noCode = failed && !second;
  $("sent-to").textContent = destination();
  // Without a message, `delivery` says what to enter.
  show($("to"), !failed && delivery !== "none" && !byApp);
  $("code-heading").textContent = say(noCode ? "no_code_sent" : "enter_code");
  const state = $("delivery");
  // Hidden for a sign-in: its delivery state would reveal whether an account exists.
  show(state, !silent || byApp);
  const reason = current.channel === "email" ? "email_failed" : `failure.${failure}`;
  const text = say(byApp ? "delivery.none" : delivery === "failed" && canSay(reason) ? reason : `delivery.${delivery}`);
  // Set only when it changes, or screen readers would announce it after every poll.
  if (state.textContent !== text) {
    state.dataset.state = byApp ? "none" : delivery;
    state.textContent = text;
  }
  const hadFocus = $("code-form").contains(document.activeElement);
  show($("code-form"), !noCode && !recovering);
  show($("resend"), alive && !byApp && delivery !== "none" && !(failed && FINAL.includes(String(failure))));
  const other = $("other-way");
  other.classList.toggle("button", noCode && alive);
  const ofNumber = current.channel === "sms" && !OF_THE_SITE.includes(String(failure));
  other.textContent = say(noCode && ofNumber ? "change_number" : "other_way");
  show(other, !second && (!["profile", "email"].includes(purpose) || noCode));
  const app = $("use-app");
  show(app, alive && !recovering && accepts("totp") && acceptsMessage());
  app.textContent = say(byApp ? "use_message" : "use_app");
  $("use-recovery").classList.toggle("quiet", !failed);
  if (noCode && hadFocus) other.focus();
  $("attempts").textContent = left === undefined ? "" : say("attempts_left", { count: left });
}

/** @param {import("./api.js").Challenge} next */
function take(next) {
  const same = next.challenge_id === current.challenge_id;
  current = { ...next, ...(same && { attempts_left: current.attempts_left }) };
  keepChallenge(current);
  describe();
  tick();
}

// Polls the delivery state with growing pauses, while it can change and the page is visible. The first answer, and the first one after the
// page was hidden, also tell the time.

const FIRST_POLL = 1000;
const LAST_POLL = 10_000;
let pause = FIRST_POLL;
/** @type {number | undefined} */
let polling;

const canChange = () => !isSilent() && ["pending", "sent"].includes(current.delivery);

async function look() {
  if (!alive || document.visibilityState !== "visible") return;
  try {
    const seen = await ask(current.challenge_id);
    if (alive && seen.challenge_id === current.challenge_id) take(seen);
  } catch (error) {
    if (over(/** @type {import("./api.js").Problem} */ (error))) return;
  }
  pause = Math.min(pause * 1.4, LAST_POLL);
  poll();
}

function poll() {
  clearTimeout(polling);
  if (alive && (canChange() || !isKnown())) polling = setTimeout(look, pause);
}

document.addEventListener("visibilitychange", () => {
  pause = FIRST_POLL;
  if (current) look();
});

// The clock

/** @type {number | undefined} */
let ticking;

function tick() {
  if (!alive || !isKnown()) return;
  const rest = secondsUntil(current.expires_at);
  if (rest <= 0) return end(say("errors.code_expired"));
  $("expiry").textContent = say("valid_for", { time: clock(rest) });
  const until = secondsUntil(current.resend_at);
  const waits = until > 0;
  const button = $("resend");
  if (isOff(button) && !waits && !button.hidden) $("announced").textContent = say("can_resend");
  if (!button.hasAttribute("aria-busy")) turnOff(button, waits);
  $("resend-wait").textContent = waits && !button.hidden ? say("resend_in", { time: clock(until) }) : "";
}

/**
 * Ends the challenge: the user needs a new code.
 * @param {string} why
 * @param {{wait?: number, more?: Node[]}} [how] `wait`: seconds until there can be one
 */
function end(why, { wait = 0, more = [] } = {}) {
  alive = false;
  clearInterval(ticking);
  clearTimeout(polling);
  // A second step can still be taken with a recovery code.
  if (!isSecond()) forgetChallenge();
  if (current.purpose === "email") forget("email-challenge");
  input.disabled = true;
  for (const id of ["expiry", "attempts", "resend-wait"]) $(id).textContent = "";
  for (const id of ["code-submit", "resend", "delivery", "to", "remember", "use-app"]) show($(id), false);
  show($("again"), more.length === 0);
  fieldError("code", "");
  answerAt($("code-form"));
  warn(why, ...more);
  if (wait > 0) countDown($("again"), new Date(now() + wait * 1000).toISOString());
  if (!recovering && more.length === 0) $("again").focus();
}

// Code entry

/** Milliseconds between the sixth typed digit and the check, in which an edit can stop it. */
const UNDO = 600;

/** @type {number | undefined} */
let submitting;

/** @param {string} text */
function digitsOf(text) {
  const ascii = asciiDigits(withoutMarks(text));
  // The user can paste the whole message.
  const found = ascii.match(/(?:^|\D)(\d{3}\s?\d{3})(?!\d)/)?.[1];
  return (found ?? ascii).replace(/\D/g, "").slice(0, 6);
}

function submit() {
  if (alive && digitsOf(input.value) !== tried) $("code-submit").click();
}

/** @param {boolean} typed */
function submitIfComplete(typed) {
  clearTimeout(submitting);
  const digits = digitsOf(input.value);
  if (input.value !== digits) input.value = digits;
  const complete = digits.length === 6 && digits !== tried;
  $("announced").textContent = complete ? say("checking") : "";
  if (complete) submitting = setTimeout(submit, typed ? UNDO : 0);
}

input.addEventListener("input", (event) => {
  const typed = /** @type {InputEvent} */ (event).inputType;
  submitIfComplete(typed === "insertText" || Boolean(typed?.startsWith("delete")));
});

/** @param {Awaited<ReturnType<typeof verify>>} answer */
async function proceed(answer) {
  if (answer.outcome === "signed_in") return signedIn(answer);
  if (answer.outcome === "second_step") {
    keepChallenge(answer.challenge);
    return location.reload();
  }
  forgetChallenge();
  forget("phone");
  alive = false;
  if (answer.outcome === "may_reset") {
    keep("reset", { token: answer.reset_token });
    return go("/reset", { replace: true });
  }
  if (answer.outcome === "phone_idle") {
    keep("idle", { token: answer.registration_token, with: answer.confirm_with });
    return go("/register/name", { replace: true });
  }
  if ("registration_token" in answer) {
    keep("registration", { token: answer.registration_token });
    return go("/register/name", { replace: true });
  }
  if ("recovery_codes" in answer && answer.recovery_codes) {
    show($("entry"), false);
    show($("done"), true);
    await showRecoveryCodes(answer.recovery_codes);
  }
  if (pending) return backToClient();
  keep("flash", say(answer.outcome === "email_verified" ? "email_verified" : "phone_saved"));
  go("/profile", { replace: true });
}

/** @param {import("./api.js").Problem} problem */
function over(problem) {
  const ended = ["code_expired", "code_used", "too_many_attempts", "unknown_challenge", "phone_taken"];
  if (!ended.includes(problem.code) && problem.attemptsLeft !== 0) return false;
  // The last wrong code: the answer to the next one says how long to wait.
  const why = problem.attemptsLeft === 0 ? say("last_attempt") : words(problem);
  const more = problem.code === "phone_taken" && current.purpose === "register" ? [link("/login#phone", say("sign_in"))] : [];
  end(more.length ? `${why} ` : why, { wait: problem.retryAfter, more });
  return true;
}

submits(
  $("code-form"),
  async () => {
    clearTimeout(submitting);
    const code = digitsOf(input.value);
    if (code.length !== 6) return fieldError("code", say("errors.invalid_code_format"));
    tried = code;
    $("announced").textContent = say("checking");
    const remember = $("remember-device").checked && { remember_device: true };
    const entered = byApp ? { totp: code } : { code };
    await proceed(await verify(current.challenge_id, { ...entered, ...remember }));
  },
  {
    fields: { wrong_code: "code" },
    problem: (problem) => {
      $("announced").textContent = "";
      if (over(problem)) return true;
      if (problem.code === "wrong_code") {
        // If the user typed another code during the request, submit that one next.
        if (input.value === tried) input.select();
        else setTimeout(() => submitIfComplete(false));
        current = { ...current, attempts_left: problem.attemptsLeft };
        keepChallenge(current);
        describe();
      } else {
        // The code wasn't checked, so the same digits can be submitted again.
        tried = "";
      }
      return false;
    },
  },
);

submits(
  $("recovery-form"),
  async () => {
    const remember = $("remember-device-too").checked && { remember_device: true };
    const recovery_code = $("recovery-code").value.trim();
    await proceed(await verify(current.challenge_id, { recovery_code, ...remember }));
  },
  {
    problem: (problem) => {
      if (problem.code === "wrong_code" || problem.code === "invalid_code_format") {
        fieldError("recovery-code", say(problem.code === "wrong_code" ? "errors.wrong_recovery_code" : "recovery_format"));
        $("recovery-code").focus();
        return true;
      }
      return false;
    },
  },
);

// Resend, new code and recovery code

onPress(
  $("resend"),
  async () => {
    take(await resend(current.challenge_id));
    tell(say("resent"));
    if (!$("code-form").hidden) input.focus();
    pause = FIRST_POLL;
    poll();
  },
  (problem) => {
    if (over(problem)) return true;
    if (problem.retryAfter > 0 && problem.code !== "busy") {
      take({ ...current, resend_at: new Date(now() + problem.retryAfter * 1000).toISOString() });
    }
    return false;
  },
);

onPress(
  $("again"),
  async () => {
    const start = { register: registerPhone, login: loginPhone }[String(current.purpose)];
    const number = recall("phone")?.number;
    if (!start || !number) {
      if (current.purpose === "profile") keep("resume", "phone");
      return go(BACK[current.purpose]);
    }
    keepChallenge(await start(number));
    keep("flash", say("new_code"));
    location.reload();
  },
  (problem) => {
    if (problem.code !== "too_many_codes") return false;
    warn(words(problem));
    countDown($("again"), new Date(now() + problem.retryAfter * 1000).toISOString());
    return true;
  },
);

/** @param {boolean} recovery */
function choose(recovery) {
  recovering = recovery;
  hush();
  show($("recovery-form"), recovery);
  show($("use-recovery"), !recovery && acceptsRecoveryCode());
  describe();
  if (recovery) $("recovery-code").focus();
  else (alive ? input : $("again")).focus();
}

$("use-recovery").addEventListener("click", () => choose(true));
$("use-code").addEventListener("click", () => choose(false));
$("use-app").addEventListener("click", () => {
  byApp = !byApp;
  input.value = tried = "";
  describe();
  input.focus();
});

/** Autofills the code from the message (WebOTP). The last line of the message names this site. */
function listen() {
  if (!("OTPCredential" in window)) return;
  const stop = new AbortController();
  addEventListener("pagehide", () => stop.abort());
  const asked = /** @type {any} */ ({ otp: { transport: ["sms"] }, signal: stop.signal });
  navigator.credentials.get(asked).then(
    (/** @type {any} */ otp) => {
      if (!otp || !alive) return;
      input.value = otp.code;
      submitIfComplete(false);
    },
    () => {},
  );
}

if (current) {
  byApp = accepts("totp") && !acceptsMessage();
  show($("use-recovery"), acceptsRecoveryCode());
  if (!accepts("sms")) $("use-code").textContent = say(acceptsMessage() ? "use_message" : "use_app");
  for (const id of ["remember", "remember-too"]) show($(id), current.purpose === "second_step");
  show($("wrong-number"), !isSecond() && current.channel === "sms");
  for (const id of ["other-way", "wrong-number"]) {
    $(id).setAttribute("href", keeping(BACK[current.purpose]));
    if (current.purpose === "profile") $(id).addEventListener("click", () => keep("resume", "phone"));
  }
  describe();
  ticking = setInterval(tick, 1000);
  ready(input);
  tick();
  look();
  listen();
  if (!acceptsMessage() && !accepts("totp") && accepts("recovery_code")) choose(true);
} else {
  ready();
}
