// Shared by all pages: site name, language switch, forms, and messages.

import { Problem, site as askSite } from "./api.js";
import { canSay, language, say, wait } from "./say.js";
import { keep, recall, take } from "./tab.js";

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
  if (replace) location.replace(path);
  else location.assign(path);
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
  if (first) first.focus();
  else if (arrived) heading?.focus();
  main.setAttribute("data-ready", "");
}

// The page shows either a problem or a status.

/** @param {string} text */
export function tell(text) {
  $("problem").textContent = "";
  $("status").textContent = text;
}

/** @param {string} text */
export function warn(text) {
  $("status").textContent = "";
  $("problem").textContent = text;
}

export function hush() {
  warn("");
}

/** The error message for the user. @param {Problem} problem */
export function words(problem) {
  const key = `errors.${problem.code}`;
  return say(canSay(key) ? key : "errors.unknown", { wait: wait(problem.retryAfter) });
}

/** @param {string} id @param {string} text empty to clear the error */
export function fieldError(id, text) {
  $(`${id}-error`).textContent = text;
  if (text && $(id).matches("input, select")) $(id).setAttribute("aria-invalid", "true");
  else $(id).removeAttribute("aria-invalid");
}

/**
 * Submits a form without leaving the page. Shows a problem at its field, if it has one, and keeps the input.
 * @param {HTMLFormElement} form
 * @param {() => Promise<void>} send
 * @param {{fields?: Record<string, string>, problem?: (problem: Problem) => boolean}} [how] `fields`: the field of each
 *   problem code. `problem`: returns true if it handled the problem
 */
export function submits(form, send, { fields = {}, problem: handled } = {}) {
  const button = /** @type {HTMLButtonElement} */ (form.querySelector("button:not([type])"));
  const inputs = [...form.querySelectorAll("input")].filter((input) => $(`${input.id}-error`));
  for (const input of inputs) input.addEventListener("input", () => fieldError(input.id, ""));
  let busy = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    hush();
    for (const input of inputs) fieldError(input.id, "");
    const empty = inputs.filter((input) => input.required && !input.value.trim());
    for (const input of empty) fieldError(input.id, say("required"));
    if (empty.length > 0) return empty[0].focus();
    busy = true;
    button.setAttribute("aria-disabled", "true");
    form.setAttribute("aria-busy", "true");
    try {
      await send();
    } catch (error) {
      const problem = error instanceof Problem ? error : new Problem({});
      if (!(error instanceof Problem)) console.error(error);
      const field = fields[problem.code];
      if (handled?.(problem)) {
        // The handler has shown it.
      } else if (field) {
        fieldError(field, words(problem));
        $(field).focus();
      } else {
        warn(words(problem));
      }
    } finally {
      busy = false;
      button.removeAttribute("aria-disabled");
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

/** Milliseconds before the second and last attempt to load the site. */
const SECOND_TRY = 2000;

/** The site's public settings. @type {Promise<import("./api.js").Site>} */
export const site = askSite()
  .catch(() => new Promise((resolve) => setTimeout(resolve, SECOND_TRY)).then(askSite))
  .then((site) => {
    keep("site", site);
    named(site);
    return site;
  });
site.catch((problem) => warn(words(problem)));

/** @param {import("./api.js").Site} site */
function named(site) {
  for (const place of document.querySelectorAll("[data-site-name]")) place.textContent = site.name;
  const [title] = document.title.split(" · ");
  document.title = `${title} · ${site.name}`;
}

const lastHeard = recall("site");
if (lastHeard) named(lastHeard);

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

for (const button of document.querySelectorAll(".languages button")) {
  const chosen = /** @type {HTMLElement} */ (button).lang;
  button.addEventListener("click", () => {
    if (chosen === language) return;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `lang=${chosen}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
    keep("typed", { path: location.pathname, values: keepable().map((input) => [input.id, input.value]) });
    location.reload();
  });
}

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
  if (event.persisted && ["code", "profile", "settings"].includes($("main").dataset.page)) location.reload();
});
