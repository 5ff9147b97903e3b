// The password: set for the first time, or changed.

import { onUser, setUser } from "./account-user.js";
import { backToClient, pending } from "./client.js";
import { drawDevices } from "./devices-card.js";
import { $, answerAt, fieldError, show, submits, tell } from "./page.js";
import { showRecoveryCodes } from "./recovery-codes.js";
import { drawSessions } from "./sessions-card.js";
import { say } from "./say.js";
import { changing } from "./unfinished.js";

onUser(({ email, has_password: has }) => {
  $("username").value = email;
  show($("current-password").closest(".field"), has);
  $("new-password-submit").textContent = say(has ? "change_password" : "set_password");
});

submits(
  $("new-password-form"),
  async () => {
    const [current, next] = ["current-password", "new-password"].map((id) => $(id).value);
    const body = { ...(current && { current_password: current }), new_password: next };
    const set = await changing("password", (account) => account.setPassword(body));
    if (pending) return backToClient();
    $("new-password-form").reset();
    setUser(set.user);
    await Promise.all([drawDevices(), drawSessions()]);
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

/** Passwords aren't kept, so the user types them again. */
export function finishPassword() {
  answerAt($("new-password-submit"));
  tell(say("type_password_again"));
  const current = $("current-password");
  (current.offsetParent ? current : $("new-password")).focus();
}
