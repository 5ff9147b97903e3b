// Two-step sign-in: the phone number as second step, the authenticator app, and recovery codes.

import { onUser, setUser, user } from "./account-user.js";
import { copy } from "./clipboard.js";
import { asciiDigits } from "./input.js";
import { $, answerAtHeading, fieldError, onPress, show, site, submits, tell } from "./page.js";
import { showRecoveryCodes } from "./recovery-codes.js";
import { withAccount } from "./session.js";
import { say } from "./say.js";
import { drawDevices } from "./devices-card.js";
import { changing, pressing, sure } from "./unfinished.js";

/** With fewer codes than this, the user should make new ones. */
const FEW_CODES = 3;

onUser(({ phone, two_step: on, totp, has_password: hasPassword, recovery_codes_left: left }) => {
  $("two-step-state").dataset.on = String(on);
  const kind = !on ? "two_step_off" : site.two_step_enabled ? "two_step_on" : "two_step_on_but_disabled";
  $("two-step-state").textContent = say(on && site.two_step_enabled && totp ? "two_step_on_by_app" : kind);
  show($("two-step-off"), Boolean(phone));
  $("totp-state").dataset.on = String(totp);
  $("totp-state").textContent = say(totp ? "totp_on" : hasPassword ? "totp_off" : "totp_needs_password");
  $("totp-start").textContent = say("set_up");
  show($("totp-start"), !totp && hasPassword);
  show($("totp-off"), totp);
  // A code opens an account that signs in by phone alone, too.
  show($("codes-part"), on || Boolean(phone));
  $("codes-left").textContent = say(left < FEW_CODES ? "codes_few" : "codes_left", { count: left });
});

onPress($("two-step-off"), async () => {
  const staysOn = user().totp;
  const [question, yes] = staysOn ? ["confirm_phone_off", "remove"] : ["confirm_off", "turn_off"];
  if (!(await sure("two_step_off", say(question), say(yes)))) return;
  await changing("two_step_off", (account) => account.removePhone());
  answerAtHeading("two-step-title");
  setUser(await withAccount((account) => account.profile()));
  await drawDevices();
  tell(say(staysOn ? "events.phone_removed" : "two_step_turned_off"));
});

onPress($("new-codes"), async () => {
  if (!(await sure("recovery_codes", say("confirm_codes"), say("make_codes")))) return;
  const made = await changing("recovery_codes", (account) => account.newRecoveryCodes());
  await showRecoveryCodes(made.recovery_codes);
  setUser({ ...user(), recovery_codes_left: made.recovery_codes.length });
  $("new-codes").focus();
});

// The authenticator app

/** @param {boolean} open */
function openTotpForm(open) {
  show($("totp-form"), open);
  show($("totp-start"), !open && !user().totp);
  if (!open) for (const id of ["totp-secret", "totp-code"]) $(id).textContent = $(id).value = "";
}

onPress($("totp-start"), async () => {
  const { secret, otpauth_uri: uri, qr_svg: svg } = await changing("totp", (account) => account.startTotp());
  $("totp-qr").src = `data:image/svg+xml,${encodeURIComponent(svg)}`;
  $("totp-secret").textContent = secret.replace(/(.{4})(?=.)/g, "$1 ");
  $("totp-open").setAttribute("href", uri);
  $("totp-copy").onclick = async () => {
    tell(say((await copy(secret)) ? "copied" : "not_copied"));
  };
  openTotpForm(true);
  $("totp-code").focus();
});

submits(
  $("totp-form"),
  async () => {
    const code = asciiDigits($("totp-code").value).replace(/\D/g, "");
    if (code.length !== 6) return fieldError("totp-code", say("errors.invalid_code_format"));
    const set = await changing("totp", (account) => account.confirmTotp(code));
    openTotpForm(false);
    answerAtHeading("totp-title");
    setUser(set.user);
    await drawDevices();
    if (set.recovery_codes) await showRecoveryCodes(set.recovery_codes);
    tell(say("totp_added"));
  },
  {
    fields: { wrong_code: "totp-code", invalid_code_format: "totp-code" },
    problem: (problem) => {
      if (problem.code === "totp_not_started") openTotpForm(false);
      return false;
    },
  },
);

onPress($("totp-off"), async () => {
  if (!(await sure("totp_off", say(user().phone ? "confirm_totp_off" : "confirm_totp_off_last"), say("remove")))) return;
  await changing("totp_off", (account) => account.removeTotp());
  answerAtHeading("totp-title");
  setUser(await withAccount((account) => account.profile()));
  await drawDevices();
  tell(say("totp_removed"));
});

/** How its changes are finished after a new sign-in. */
export const finishTwoStep = {
  two_step_off: pressing("two-step-off"),
  recovery_codes: pressing("new-codes"),
  totp: pressing("totp-start"),
  totp_off: pressing("totp-off"),
};
