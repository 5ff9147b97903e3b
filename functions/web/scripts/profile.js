import { Problem } from "./api.js";
import { enterCode } from "./challenge.js";
import { asked, backToClient, pending } from "./client.js";
import { $, NAME_HELP, answerAt, confirmed, element, fieldError, hush, isOff, onPress, ready, refuse, show, site, submits, tell, waiting, warn, words } from "./page.js";
import { phoneField } from "./phone.js";
import { showRecoveryCodes } from "./recovery-codes.js";
import { followOtherTabs, resume, signOut, withAccount } from "./session.js";
import { day, ltr, say } from "./say.js";
import { keep, recall, take } from "./tab.js";
import { PHONE_FIELDS, mayAskForCode } from "./ways.js";

/** @type {import("./api.js").User} */
let user;

function draw() {
  const { phone_enabled: phoneEnabled, two_step_enabled: enabled } = site;
  $("name").value = user.name;
  $("email").value = user.email;
  $("username").value = user.email;
  $("phone-state").textContent = user.phone ? say("phone_verified", { phone: ltr(user.phone) }) : say("no_phone");
  $("change-phone").textContent = say(user.phone ? "change_phone" : "add_phone");
  show($("change-phone"), phoneEnabled);
  show($("phone-off"), !phoneEnabled);
  $("two-step-state").dataset.on = String(user.two_step);
  $("two-step-state").textContent = say(
    !user.two_step ? "two_step_off" : enabled ? "two_step_on" : "two_step_on_but_disabled",
  );
  show($("two-step-off"), Boolean(user.phone));
  show($("codes-part"), user.two_step);
}

/** The browser and system of a `User-Agent`. @param {string} agent */
function deviceName(agent) {
  const first = (/** @type {[RegExp, string][]} */ table) => table.find(([pattern]) => pattern.test(agent))?.[1];
  const browser = first([
    [/Edg/, "Edge"],
    [/OPR/, "Opera"],
    [/Firefox|FxiOS/, "Firefox"],
    [/Chrom|CriOS/, "Chrome"],
    [/Safari/, "Safari"],
  ]);
  const system = first([
    [/iPhone/, "iPhone"],
    [/iPad/, "iPad"],
    [/Android/, "Android"],
    [/Windows/, "Windows"],
    [/Mac OS/, "Mac"],
    [/CrOS/, "ChromeOS"],
    [/Linux/, "Linux"],
  ]);
  return browser && system ? say("device_name", { browser, system }) : (browser ?? say("unknown_device_name"));
}

async function drawDevices() {
  const devices = await withAccount((account) => account.devices());
  show($("no-devices"), devices.length === 0);
  $("devices").replaceChildren(
    ...devices.map((device) => {
      const name = deviceName(device.name);
      const dates = say("device_dates", { used: day(device.last_used_at), until: day(device.expires_at) });
      const remove = element("button", { type: "button", class: "secondary remove", "aria-label": `${say("remove")}: ${name}` }, say("remove"));
      onPress(remove, async () => {
        if (!(await confirmed(say("confirm_device", { device: name }), say("remove")))) return;
        await withAccount((account) => account.removeDevice(device.id));
        // The button goes away, and with it its place for results.
        answerAt($("devices-title"));
        $("devices-title").focus();
        await drawDevices();
        tell(say("device_removed", { device: name }));
      });
      return element("li", {}, element("div", {}, element("b", {}, name), element("small", {}, dates)), remove);
    }),
  );
}

submits(
  $("details-form"),
  async () => {
    const typed = { name: $("name").value, email: $("email").value };
    const changed = Object.fromEntries(
      Object.entries(typed).filter(([field, value]) => value !== user[/** @type {"name" | "email"} */ (field)]),
    );
    if (Object.keys(changed).length === 0) return tell(say("nothing_changed"));
    // A new email address can require a recent sign-in. Keep the input until the user returns.
    keep("details", typed);
    user = await withAccount((account) => account.change(changed));
    take("details");
    draw();
    tell(say("saved"));
  },
  {
    fields: { invalid_name: "name", invalid_email: "email", email_taken: "email", email_needs_verification: "email" },
    more: NAME_HELP,
  },
);

submits(
  $("new-password-form"),
  async () => {
    const [current, next] = ["current-password", "new-password"].map((id) => $(id).value);
    const body = { ...(current && { current_password: current }), new_password: next };
    const set = await withAccount((account) => account.setPassword(body));
    if (pending) return backToClient();
    $("new-password-form").reset();
    user = set.user;
    draw();
    await drawDevices();
    if (set.recovery_codes) await showRecoveryCodes(set.recovery_codes);
    tell(say("password_changed"));
  },
  {
    fields: { weak_password: "new-password" },
    problem: (problem) => {
      if (problem.code !== "invalid_credentials") return false;
      fieldError("current-password", say("errors.invalid_current_password"));
      $("current-password").focus();
      return true;
    },
  },
);

/** @param {boolean} open */
function openPhoneForm(open) {
  show($("phone-form"), open);
  $("change-phone").setAttribute("aria-expanded", String(open));
  $("change-phone").textContent = say(open ? "close" : user.phone ? "change_phone" : "add_phone");
  if (open) $("phone").focus();
}

$("change-phone").addEventListener("click", () => openPhoneForm($("phone-form").hidden));

onPress($("two-step-off"), async () => {
  if (!(await confirmed(say("confirm_off"), say("turn_off")))) return;
  await withAccount((account) => account.removePhone());
  user = await withAccount((account) => account.profile());
  answerAt($("two-step-title"));
  $("two-step-title").focus();
  draw();
  await drawDevices();
  tell(say("two_step_turned_off"));
});

$("new-codes").addEventListener("click", async () => {
  if (isOff($("new-codes")) || !(await confirmed(say("confirm_codes"), say("make_codes")))) return;
  answerAt($("new-codes").parentElement);
  hush();
  try {
    const made = await waiting($("new-codes"), () => withAccount((account) => account.newRecoveryCodes()));
    await showRecoveryCodes(made.recovery_codes);
    $("new-codes").focus();
  } catch (error) {
    refuse(Problem.from(error), $("new-codes"));
  }
});

onPress($("sign-out"), signOut);

followOtherTabs();
show($("two-step-note"), asked === "two-step");

try {
  user = await resume();
  const phone = phoneField({ allowed: site.allowed_countries, start: recall("phone") });
  submits(
    $("phone-form"),
    async () => {
      if (!mayAskForCode()) return;
      keep("phone", phone.state());
      keep("resume", "phone");
      const challenge = await withAccount((account) => account.setPhone(phone.value()));
      take("resume");
      enterCode(challenge);
    },
    { fields: PHONE_FIELDS, more: { invalid_phone: () => phone.expected() } },
  );
  draw();
  await drawDevices();
  show($("loading"), false);
  show($("profile"), true);
  const typed = take("details");
  if (typed) {
    $("name").value = typed.name;
    $("email").value = typed.email;
  }
  const unfinished = take("resume") === "phone" && site.phone_enabled;
  const lost = take("codes-shown") && user.two_step;
  if (lost) {
    answerAt($("new-codes").parentElement);
    tell(say("codes_were_shown"));
  }
  ready(unfinished ? $("change-phone") : lost || location.hash === "#new-codes" ? $("new-codes") : undefined);
  if (unfinished) openPhoneForm(true);
} catch (error) {
  show($("loading"), false);
  show($("load-again"), true);
  warn(words(Problem.from(error)));
  ready($("load-again"));
}
