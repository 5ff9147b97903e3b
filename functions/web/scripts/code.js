import { Problem, challenge as ask, loginPhone, registerPhone, resend, verify } from "./api.js";
import { forgetChallenge, keepChallenge, keptChallenge, secondsUntil } from "./challenge.js";
import { $, fieldError, go, hush, ready, show, submits, tell, warn, words } from "./page.js";
import { showRecoveryCodes } from "./recovery-codes.js";
import { signedIn } from "./session.js";
import { canSay, clock, say } from "./say.js";
import { forget, keep, recall } from "./tab.js";

/** @typedef {import("./challenge.js").Kept & {attempts_left?: number}} Current */

const input = /** @type {HTMLInputElement} */ ($("code"));
let current = /** @type {Current} */ (keptChallenge());

/** Whether this code can still be entered. */
let alive = true;

/** The last submitted code, which isn't submitted automatically again. */
let tried = "";

/** @type {Record<string, string>} */
const BACK = { register: "/register", login: "/login", second_step: "/login", profile: "/profile" };

// The message

function describe() {
  const digits = current.phone_hint.replace(/\D/g, "");
  $("sent-to").textContent = say(current.purpose === "login" ? "sent_to_login" : "sent_to", { digits });
  const delivery = $("delivery");
  // Hidden for a sign-in: its delivery state would reveal whether an account exists.
  show(delivery, current.purpose !== "login");
  const failure = `failure.${current.failure}`;
  const text = say(current.delivery === "failed" && canSay(failure) ? failure : `delivery.${current.delivery}`);
  // Set only when it changes, or screen readers would announce it after every poll.
  if (delivery.textContent !== text) {
    delivery.dataset.state = current.delivery;
    delivery.textContent = text;
  }
  const left = current.attempts_left;
  $("attempts").textContent = left === undefined ? "" : say("attempts_left", { count: left });
}

/** @param {import("./api.js").Challenge} next */
function take(next) {
  const same = next.challenge_id === current.challenge_id;
  keepChallenge({ ...next, ...(same && { attempts_left: current.attempts_left }) });
  current = /** @type {Current} */ (keptChallenge());
  describe();
  tick();
}

// Polls the delivery state with growing pauses, while it can change and the page is visible.

const FIRST_POLL = 1000;
const LAST_POLL = 10_000;
let pause = FIRST_POLL;
/** @type {number | undefined} */
let polling;

const matters = () =>
  alive && current.purpose !== "login" && ["pending", "sent"].includes(current.delivery) && document.visibilityState === "visible";

function poll() {
  clearTimeout(polling);
  if (!matters()) return;
  polling = setTimeout(async () => {
    try {
      if (matters()) take(await ask(current.challenge_id));
    } catch (error) {
      if (error instanceof Problem && error.code === "unknown_challenge") return end(words(error));
    }
    pause = Math.min(pause * 1.4, LAST_POLL);
    poll();
  }, pause);
}

document.addEventListener("visibilitychange", () => {
  pause = FIRST_POLL;
  poll();
});

// The clock

/** @type {number | undefined} */
let ticking;

function tick() {
  if (!alive) return;
  const rest = secondsUntil(current, current.expires_at);
  if (rest <= 0) return end(say("errors.code_expired"));
  $("expiry").textContent = say("valid_for", { time: clock(rest) });
  const until = secondsUntil(current, current.resend_at);
  const waits = until > 0;
  const button = $("resend");
  if (button.getAttribute("aria-disabled") === "true" && !waits) $("announced").textContent = say("can_resend");
  if (waits) button.setAttribute("aria-disabled", "true");
  else button.removeAttribute("aria-disabled");
  $("resend-wait").textContent = waits ? say("resend_in", { time: clock(until) }) : "";
}

/** Ends the challenge: the user needs a new code. @param {string} why */
function end(why) {
  alive = false;
  clearInterval(ticking);
  clearTimeout(polling);
  input.disabled = true;
  for (const id of ["expiry", "attempts", "resend-wait"]) $(id).textContent = "";
  for (const id of ["code-submit", "resend", "delivery"]) show($(id), false);
  show($("again"), true);
  fieldError("code", "");
  warn(why);
  if ($("recovery-form").hidden) $("again").focus();
}

// Code entry

/** @param {string} text */
function digitsOf(text) {
  // The user can paste the whole message.
  return text.match(/(?<!\d)\d{3}\s?\d{3}(?!\d)/)?.[0].replace(/\s/, "") ?? text.replace(/\D/g, "").slice(0, 6);
}

function submitIfComplete() {
  const digits = digitsOf(input.value);
  if (input.value !== digits) input.value = digits;
  if (digits.length === 6 && digits !== tried) $("code-form").requestSubmit();
}

input.addEventListener("input", submitIfComplete);

/** @param {Awaited<ReturnType<typeof verify>>} answer */
async function proceed(answer) {
  if (answer.outcome === "signed_in") return signedIn();
  forgetChallenge();
  forget("phone");
  alive = false;
  if ("registration_token" in answer) {
    keep("registration", { token: answer.registration_token });
    return go("/register/name", { replace: true });
  }
  if (answer.recovery_codes) {
    show($("entry"), false);
    show($("done"), true);
    await showRecoveryCodes(answer.recovery_codes);
  }
  keep("flash", say("phone_saved"));
  go("/profile", { replace: true });
}

/** @param {Problem} problem */
function over(problem) {
  const ended = ["code_expired", "code_used", "too_many_attempts", "unknown_challenge", "phone_taken"];
  if (!ended.includes(problem.code) && problem.attemptsLeft !== 0) return false;
  end(words(problem));
  return true;
}

submits(
  $("code-form"),
  async () => {
    const code = digitsOf(input.value);
    if (code.length !== 6) throw new Problem({ code: "invalid_code_format" });
    tried = code;
    $("announced").textContent = say("checking");
    const remember = $("remember-device").checked && { remember_device: true };
    await proceed(await verify(current.challenge_id, { code, ...remember }));
  },
  {
    fields: { invalid_code_format: "code", wrong_code: "code" },
    problem: (problem) => {
      $("announced").textContent = "";
      if (over(problem)) return true;
      if (problem.code === "wrong_code") {
        // If the user typed another code during the request, submit that one next.
        if (input.value === tried) input.select();
        else setTimeout(submitIfComplete);
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

$("resend").addEventListener("click", async () => {
  if ($("resend").getAttribute("aria-disabled") === "true") return;
  $("resend").setAttribute("aria-disabled", "true");
  hush();
  try {
    take(await resend(current.challenge_id));
    tell(say("resent"));
    input.focus();
    pause = FIRST_POLL;
    poll();
  } catch (error) {
    const problem = error instanceof Problem ? error : new Problem({});
    if (over(problem)) return;
    warn(words(problem));
    if (problem.retryAfter > 0) {
      const at = new Date(Date.now() + current.ahead + problem.retryAfter * 1000).toISOString();
      take({ ...current, resend_at: at });
    }
  }
});

$("again").addEventListener("click", async () => {
  const start = { register: registerPhone, login: loginPhone }[String(current.purpose)];
  const number = recall("phone")?.number;
  if (!start || !number) {
    if (current.purpose === "profile") keep("resume", "phone");
    return go(BACK[current.purpose]);
  }
  try {
    keepChallenge(await start(number));
    keep("flash", say("new_code"));
    location.reload();
  } catch (error) {
    warn(words(error instanceof Problem ? error : new Problem({})));
  }
});

/** @param {boolean} recovery */
function choose(recovery) {
  show($("code-form"), !recovery);
  show($("recovery-form"), recovery);
  show($("use-recovery"), !recovery);
  hush();
  $(recovery ? "recovery-code" : "code").focus();
}

$("use-recovery").addEventListener("click", () => choose(true));
$("use-code").addEventListener("click", () => choose(false));

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
      input.dispatchEvent(new Event("input"));
    },
    () => {},
  );
}

if (current) {
  const second = current.purpose === "second_step";
  show($("entry"), true);
  show($("use-recovery"), second);
  show($("remember"), second);
  $("other-way").setAttribute("href", BACK[current.purpose]);
  if (current.purpose === "profile") $("other-way").textContent = say("number_back");
  show($("other-way").parentElement, !second);
  describe();
  ticking = setInterval(tick, 1000);
  ready(input);
  tick();
  poll();
  listen();
} else {
  show($("nothing"), true);
  ready();
}
