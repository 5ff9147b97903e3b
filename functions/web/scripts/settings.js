import { Problem } from "./api.js";
import { openClients } from "./clients.js";
import { combobox } from "./combobox.js";
import { drawLook, refuseLook, storedLook, typedLook } from "./look.js";
import { drawMoney, refuseMoney, typedMoney } from "./money.js";
import { lock, lockedOut, openForOperator, operator } from "./operator.js";
import { $, element, fieldError, hush, ready, restoreTyped, show, submits, tell, warn, words } from "./page.js";
import { countries, nameOf, phoneField } from "./phone.js";
import { day, say } from "./say.js";
import { changedSender, drawSender } from "./sender.js";
import { drawUsage } from "./usage.js";

/** The stored settings. @type {import("./api.js").Settings} */
let stored;

/** The selected countries, unless all are allowed. @type {Set<string>} */
let chosen = new Set();

/** Element ids by the `field` of a problem. @type {Record<string, string>} */
const FIELDS = {
  site_name: "site-name",
  site_host: "site-host",
  allowed_countries: "countries",
  "clickatell.api": "clickatell-api",
  "sender.order": "sender-order",
  "sender.webhook.url": "sender-url",
  "clickatell.from": "clickatell-from",
  "clickatell.api_key": "clickatell-key",
};

function draw() {
  $("two-step-enabled").checked = stored.two_step_enabled;
  $("site-name").value = stored.site_name;
  $("site-host").value = stored.site_host;
  $("phone-login").checked = stored.phone_login_for_password_accounts;
  const all = stored.allowed_countries.includes("*");
  chosen = new Set(all ? [] : stored.allowed_countries);
  $(all ? "countries-all" : "countries-some").checked = true;
  drawCountries();
  const { api, from, key_hint: hint, updated_at: updated } = stored.clickatell;
  $("clickatell-api").value = api;
  $("clickatell-from").value = from ?? "";
  $("clickatell-key").value = "";
  $("key-hint").textContent = !hint
    ? say("key_absent")
    : updated
      ? say("key_present_since", { hint, date: day(updated) })
      : say("key_present", { hint });
  drawMoney(stored);
  drawLook(stored);
  drawSender(stored);
  changed(false);
}

/** Whether the form holds something that isn't saved. */
let unsaved = false;

/** @param {boolean} is */
function changed(is) {
  unsaved = is;
  show($("unsaved"), is);
}

$("settings-form").addEventListener("input", () => changed(true));
addEventListener("beforeunload", (event) => {
  if (unsaved) event.preventDefault();
});

/** Loads and shows the usage, or an error in its place. */
async function showUsage() {
  if ($("usage-refresh").hasAttribute("aria-disabled")) return;
  $("usage-refresh").setAttribute("aria-disabled", "true");
  $("usage-error").textContent = "";
  try {
    drawUsage(await operator().usage());
  } catch (error) {
    const problem = error instanceof Problem ? error : new Problem({});
    if (!(error instanceof Problem)) console.error(error);
    if (!refusedOperator(problem)) $("usage-error").textContent = words(problem);
  } finally {
    $("usage-refresh").removeAttribute("aria-disabled");
  }
}

function drawCountries() {
  show($("countries-part"), $("countries-some").checked);
  fieldError("countries", "");
  const names = [...chosen].map((region) => ({ region, name: nameOf(region) }));
  $("countries").replaceChildren(
    ...names.map(({ region, name }) => {
      const remove = element("button", { type: "button", class: "remove", "aria-label": `${say("remove")}: ${name}` }, "×");
      remove.addEventListener("click", () => {
        changed(true);
        chosen.delete(region);
        drawCountries();
        $("add-country").focus();
      });
      return element("li", {}, name, remove);
    }),
  );
}

/**
 * Only the changed settings, so that two admins don't overwrite each other's changes.
 * @returns {Record<string, any>}
 */
function changes() {
  const before = {
    two_step_enabled: stored.two_step_enabled,
    site_name: stored.site_name,
    site_host: stored.site_host,
    phone_login_for_password_accounts: stored.phone_login_for_password_accounts,
    allowed_countries: [...stored.allowed_countries].sort(),
  };
  const after = {
    two_step_enabled: $("two-step-enabled").checked,
    site_name: $("site-name").value.trim(),
    site_host: $("site-host").value.trim(),
    phone_login_for_password_accounts: $("phone-login").checked,
    allowed_countries: $("countries-all").checked ? ["*"] : [...chosen].sort(),
  };
  const clickatell = {
    ...different(
      { api: stored.clickatell.api, from: stored.clickatell.from ?? "" },
      { api: $("clickatell-api").value, from: $("clickatell-from").value.trim() },
    ),
    ...($("clickatell-key").value.trim() && { api_key: $("clickatell-key").value.trim() }),
  };
  /** @type {Record<string, any>} */
  const parts = { clickatell, sender: changedSender(stored) };
  for (const [part, typed] of Object.entries(typedMoney())) parts[part] = different(Object(stored)[part], typed);
  const look = storedLook(stored);
  for (const [part, typed] of Object.entries(typedLook())) parts[part] = different(look[part], typed);
  const changed = Object.entries(parts).filter(([, fields]) => Object.keys(fields).length > 0);
  return { ...different(before, after), ...Object.fromEntries(changed) };
}

/** @param {Record<string, unknown>} before @param {Record<string, unknown>} after */
function different(before, after) {
  const differs = (/** @type {string} */ name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]);
  return Object.fromEntries(Object.entries(after).filter(([name]) => differs(name)));
}

/** What isn't saved is forgotten when the page is locked. */
const forget = () => changed(false);

/** @param {Problem} problem */
const refusedOperator = (problem) => lockedOut(problem, forget);

submits(
  $("settings-form"),
  async () => {
    const change = changes();
    if (Object.keys(change).length === 0) {
      changed(false);
      return tell(say("nothing_changed"));
    }
    if (change.allowed_countries?.length === 0) {
      fieldError("countries", say("one_country"));
      return $("add-country").focus();
    }
    stored = await operator().change(change);
    draw();
    tell(say("settings_saved"));
    showUsage();
  },
  {
    fields: { clickatell_key_rejected: "clickatell-key" },
    problem: (problem) => {
      if (refusedOperator(problem)) return true;
      if (problem.code === "invalid_setting" && (refuseMoney(problem.field) || refuseLook(problem.field))) {
        warn(say("check_fields"));
        return true;
      }
      const field = FIELDS[problem.field ?? ""];
      if (problem.code !== "invalid_setting" || !field) return false;
      warn(say("check_fields"));
      // The hint says what would do.
      fieldError(field, [say("errors.invalid_setting"), document.getElementById(`${field}-hint`)?.textContent].join(" ").trim());
      ($(field).matches("input, select") ? $(field) : $("add-country")).focus();
      return true;
    },
  },
);

const test = phoneField({ allowed: ["*"], prefix: "test-" });
submits(
  $("test-form"),
  async () => {
    $("test-result").textContent = say("wait");
    const sent = await operator().testSms(test.value());
    $("test-result").textContent = say("test_sent", { id: sent.message_id });
  },
  {
    fields: { invalid_phone: "test-phone", phone_not_allowed: "test-phone" },
    more: { invalid_phone: () => test.expected() },
    problem: (problem) => {
      $("test-result").textContent = "";
      if (refusedOperator(problem)) return true;
      if (problem.code === "sms_disabled") warn(say("key_absent"));
      else if (problem.code === "sms_budget_spent") warn(say("test_held_back"));
      // The detail contains Clickatell's error for the admin.
      else if (problem.code === "sms_failed") warn(say("test_failed", { detail: problem.detail }));
      else return false;
      return true;
    },
  },
);

combobox($("add-country"), {
  options: () => countries(["*"]).filter(({ value }) => !chosen.has(value)),
  keeps: false,
  picked: ({ value }) => {
    changed(true);
    chosen.add(value);
    drawCountries();
  },
});
for (const id of ["countries-all", "countries-some"]) $(id).addEventListener("change", drawCountries);
$("usage-refresh").addEventListener("click", showUsage);
$("lock").addEventListener("click", () => {
  hush();
  lock(forget);
});

restoreTyped();
await openForOperator(async () => {
  stored = await operator().settings();
  draw();
  show($("opened"), true);
  $("usage-title").focus();
  showUsage();
  openClients(operator, refusedOperator);
});
ready($("opened").hidden ? $("admin-key") : $("usage-title"));
