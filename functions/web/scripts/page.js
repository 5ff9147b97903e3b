// Shared by all pages: site name, language switch, forms, and messages.

import { Problem } from "./api.js";
import { keeping } from "./client.js";
import { hidesSomething } from "./input.js";
import { canSay, clock, language, say, wait } from "./say.js";
import { keep, take } from "./tab.js";
import { now, secondsUntil } from "./time.js";

/**
 * The element with this id.
 * @param {string} id
 * @returns {any}
 */
export const $ = (id) => document.getElementById(id);

/**
 * @param {string} name
 * @param {Record<string, string>} attributes
 * @param {(Node | string)[]} children
 */
export function element(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) node.setAttribute(attribute, value);
  node.append(...children);
  return node;
}

/** @param {Element} node @param {boolean} visible */
export function show(node, visible) {
  node.toggleAttribute("hidden", !visible);
}

/** Opens another page of the site. @param {string} path @param {{replace?: boolean}} [how] */
export function go(path, { replace = false } = {}) {
  keep("arrived", true);
  if (replace) location.replace(keeping(path));
  else location.assign(keeping(path));
}

/**
 * Marks the page as ready and sets the focus, so that screen readers announce where it starts.
 * @param {HTMLElement} [first] the element to focus; by default the heading, if another page of the site opened this one
 */
export function ready(first) {
  const main = $("main");
  const heading = [...main.querySelectorAll("h1")].find((heading) => heading.offsetParent);
  const flash = take("flash");
  if (flash) tell(flash);
  const arrived = take("arrived");
  const held = globalThis.takeOver();
  // The user may have begun to type.
  const idle = document.activeElement === document.body;
  if (first && idle) first.focus();
  else if (arrived && idle) heading?.focus();
  main.setAttribute("data-ready", "");
  if (held?.isConnected) held.querySelector("button:not([type])")?.click();
}

for (const inner of document.querySelectorAll("main a[href^='/']")) {
  inner.setAttribute("href", keeping(inner.getAttribute("href") ?? ""));
}

// Results. The page says either a problem or a status, beside the button that was pressed.

/** Milliseconds after which screen readers watch a live region that was moved. */
const SETTLED = 50;

/** @type {number | undefined} */
let saying;

/** Moves the results to the button, form or section that they are about. @param {Element} button */
export function answerAt(button) {
  const notices = $("notices");
  if (button.nextElementSibling === notices) return;
  notices.remove();
  button.after(notices);
}

/**
 * Moves the results and the focus to a heading, when the button that was pressed goes away.
 * @param {string} id of the heading
 */
export function answerAtHeading(id) {
  answerAt($(id));
  $(id).focus();
}

/** @param {string} id @param {string} text @param {Node[]} more */
function announce(id, text, ...more) {
  clearTimeout(saying);
  for (const each of ["problem", "status"]) $(each).textContent = "";
  if (!text) return;
  saying = setTimeout(() => {
    $(id).replaceChildren(text, ...more);
    $("notices").scrollIntoView({ block: "nearest" });
  }, SETTLED);
}

/** @param {string} text @param {Node[]} more what follows the text, such as a link */
export const tell = (text, ...more) => announce("status", text, ...more);

/** @param {string} text @param {Node[]} more what follows the text, such as a link */
export const warn = (text, ...more) => announce("problem", text, ...more);

export const hush = () => announce("status", "");

/** The error message for the user. @param {Problem} problem */
export function words(problem) {
  const key = `errors.${problem.code}`;
  return say(canSay(key) ? key : "errors.unknown", { wait: wait(problem.retryAfter) });
}

/** A link after a message. @param {string} href @param {string} text */
export const link = (href, text) => element("a", { href: keeping(href) }, text);

/** @param {string} id @param {string} text empty to clear the error @param {Node[]} more */
export function fieldError(id, text, ...more) {
  $(`${id}-error`).replaceChildren(...(more.length ? [text, " ", ...more] : [text]));
  if (text && $(id).matches("input, select")) $(id).setAttribute("aria-invalid", "true");
  else $(id).removeAttribute("aria-invalid");
}

/** What to say about a name that is refused. @type {Record<string, () => string>} */
export const NAME_HELP = { invalid_name: () => (hidesSomething($("name").value) ? ` ${say("hidden_in_name")}` : "") };

// Waiting

/** Milliseconds after which a button says that it waits, and that it takes long. */
const SOON = 300;
const LONG = 6000;

/** @param {Element} button */
export const isOff = (button) => button.getAttribute("aria-disabled") === "true";

/** Turns a button off without taking the focus from it. @param {Element} button @param {boolean} off */
export function turnOff(button, off) {
  if (off) button.setAttribute("aria-disabled", "true");
  else button.removeAttribute("aria-disabled");
}

/**
 * Runs an action of a button, which says meanwhile that it waits.
 * @template T
 * @param {Element} button
 * @param {() => Promise<T>} what
 * @returns {Promise<T>}
 */
export async function waiting(button, what) {
  const label = button.textContent;
  const says = (/** @type {string} */ key) => {
    button.textContent = say(key);
    $("waiting").textContent = say(key);
  };
  const timers = [setTimeout(() => says("wait"), SOON), setTimeout(() => says("wait_longer"), LONG)];
  turnOff(button, true);
  button.setAttribute("aria-busy", "true");
  try {
    return await what();
  } finally {
    for (const timer of timers) clearTimeout(timer);
    button.textContent = label;
    button.removeAttribute("aria-busy");
    turnOff(button, false);
    $("waiting").textContent = "";
  }
}

/** The countdowns by their button. @type {Map<Element, () => void>} */
const countdowns = new Map();

/**
 * Turns a button off until a time of the server, and shows the time that is left.
 * @param {Element} button
 * @param {string} until RFC 3339
 */
export function countDown(button, until) {
  countdowns.get(button)?.();
  const label = button.textContent ?? "";
  const left = element("span", { class: "left", "aria-hidden": "true" });
  const tick = () => {
    const seconds = secondsUntil(until);
    left.textContent = ` ${clock(seconds)}`;
    if (seconds <= 0) {
      stop();
      $("waiting").textContent = say("can_try_again");
    }
  };
  const timer = setInterval(tick, 500);
  const stop = () => {
    clearInterval(timer);
    countdowns.delete(button);
    button.textContent = label;
    turnOff(button, false);
  };
  countdowns.set(button, stop);
  turnOff(button, true);
  button.append(left);
  tick();
}

/** Shows a problem that has no field, beside the button. @param {Problem} problem @param {Element} button */
export function refuse(problem, button) {
  warn(words(problem));
  if (problem.code === "busy") countDown(button, new Date(now() + problem.retryAfter * 1000).toISOString());
}

/**
 * Runs a button's action and shows its problem.
 * @param {HTMLElement} button
 * @param {() => Promise<void>} what
 * @param {(problem: Problem) => boolean} [handled] returns true if it handled the problem
 */
export function onPress(button, what, handled) {
  button.addEventListener("click", async () => {
    if (isOff(button)) return;
    answerAt(button);
    hush();
    try {
      await waiting(button, what);
    } catch (error) {
      const problem = Problem.from(error);
      if (!handled?.(problem)) refuse(problem, button);
    }
  });
}

/**
 * Submits a form without leaving the page. Shows a problem at its field, if it has one, and keeps the input.
 * @param {HTMLFormElement} form
 * @param {() => Promise<void>} send
 * @param {{fields?: Record<string, string>, more?: Record<string, () => string>, problem?: (problem: Problem) => boolean}} [how]
 *   `fields`: the field of each problem code. `more`: what to say after its text. `problem`: returns true if it handled the problem
 */
export function submits(form, send, { fields = {}, more = {}, problem: handled } = {}) {
  const button = /** @type {HTMLButtonElement} */ (form.querySelector("button:not([type])"));
  const inputs = [...form.querySelectorAll("input")].filter((input) => $(`${input.id}-error`));
  for (const input of inputs) input.addEventListener("input", () => fieldError(input.id, ""));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (isOff(button)) return;
    answerAt(button);
    hush();
    for (const input of inputs) fieldError(input.id, "");
    const empty = inputs.filter((input) => input.required && !input.value.trim());
    for (const input of empty) fieldError(input.id, say("required"));
    if (empty.length > 0) return empty[0].focus();
    form.setAttribute("aria-busy", "true");
    try {
      await waiting(button, send);
    } catch (error) {
      const problem = Problem.from(error);
      const field = fields[problem.code];
      if (handled?.(problem)) {
        // The handler has shown it.
      } else if (field) {
        fieldError(field, words(problem) + (more[problem.code]?.() ?? ""));
        $(field).focus();
      } else {
        refuse(problem, button);
      }
    } finally {
      form.removeAttribute("aria-busy");
    }
  });
}

/**
 * Asks for confirmation of an irreversible action.
 * @param {string} question
 * @param {string} yes the label of the confirm button
 * @returns {Promise<boolean>}
 */
export function confirmed(question, yes) {
  const text = element("p", { id: "confirm-question" }, question);
  const accept = element("button", { id: "confirm-yes", value: "yes" }, yes);
  const refuse = element("button", { id: "confirm-no", class: "secondary", value: "no" }, say("cancel"));
  const form = element("form", { method: "dialog" }, text, element("div", { class: "actions" }, refuse, accept));
  const dialog = /** @type {HTMLDialogElement} */ (
    element("dialog", { id: "confirm", "aria-labelledby": "confirm-question" }, form)
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
  });
}

/**
 * The site's public settings, which the server writes into the page. Without them, a page offers everything and the API decides.
 * @type {import("./api.js").Site}
 */
export const site = JSON.parse(
  document.documentElement.dataset.site ||
    JSON.stringify({ name: "", host: location.hostname, two_step_enabled: true, phone_enabled: true, email_enabled: true, allowed_countries: ["*"], languages: [] }),
);

/** Whether this is an address at which a sign-in can't end well: a copy of the site, or one that isn't secure. */
export const atWrongHost =
  !isSecureContext || (site.host !== location.hostname && /^(www\.|[\d.]+$|\[)/.test(location.hostname));

for (const place of document.querySelectorAll("[data-right-host]")) {
  const port = location.port && `:${location.port}`;
  place.setAttribute("href", `${location.protocol}//${site.host}${port}${location.pathname}`);
  place.textContent = site.host;
}

// The language switch. The server reads the cookie and renders the page in that language. The user's input survives the reload, except
// passwords and keys.

/** @returns {HTMLInputElement[]} */
const keepable = () =>
  [...document.querySelectorAll("input")].filter(
    (input) =>
      ["text", "tel", "email"].includes(input.type) &&
      input.getAttribute("role") !== "combobox" &&
      !document.querySelector(`[data-reveals="${input.id}"]`),
  );

$("language").addEventListener("change", () => {
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `lang=${$("language").value}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  keep("typed", { path: location.pathname, values: keepable().map((input) => [input.id, input.value]) });
  location.reload();
});

/** Restores the input from before the language change. Pages that fill their fields themselves do so afterwards. */
export function restoreTyped() {
  const typed = take("typed");
  if (typed?.path !== location.pathname) return;
  for (const [id, value] of typed.values) if (value && $(id)) $(id).value = value;
}

for (const button of document.querySelectorAll("button.reveal")) {
  const input = $(/** @type {HTMLElement} */ (button).dataset.reveals ?? "");
  const reveal = (/** @type {boolean} */ open) => {
    input.type = open ? "text" : "password";
    button.textContent = say(open ? "hide" : "show");
    button.setAttribute("aria-label", say(open ? "hide_password" : "show_password"));
  };
  reveal(false);
  button.addEventListener("click", () => reveal(input.type === "password"));
  // Hide the password before submitting, or browsers could save it as form data.
  input.form.addEventListener("submit", () => reveal(false));
}

// Reload pages that the browser restores from its back/forward cache, because they would show outdated data or another user.
addEventListener("pageshow", (event) => {
  if (event.persisted && ["code", "profile", "settings", "users"].includes($("main").dataset.page)) location.reload();
});
