// Name and email address, and whether the address is verified.

import { onUser, setUser, user } from "./account-user.js";
import { enterCode } from "./challenge.js";
import { $, NAME_HELP, answerAt, onPress, show, site, submits, tell } from "./page.js";
import { withAccount } from "./session.js";
import { ltr, say } from "./say.js";
import { forget, recall } from "./tab.js";
import { now } from "./time.js";
import { changing } from "./unfinished.js";

/** The code that the registration sent, while it can be entered. @returns {import("./api.js").Challenge | null} */
function waitingCode() {
  const challenge = recall("email-challenge");
  const lives = challenge?.user === user().id && !user().email_verified && Date.parse(challenge.expires_at) > now();
  if (challenge && !lives) forget("email-challenge");
  return lives ? challenge : null;
}

onUser(({ name, email, email_verified: verified }) => {
  $("name").value = name;
  $("email").value = email;
  const waits = waitingCode();
  show($("email-part"), verified || site.email_enabled);
  $("email-state").dataset.on = String(verified);
  const words = waits ? say("sent_to_email", { address: ltr(waits.hint ?? email) }) : say(verified ? "email_is_verified" : "email_not_verified");
  $("email-state").textContent = words;
  show($("verify-email"), !verified);
  $("verify-email").textContent = say(waits ? "enter_code" : "verify");
});

onPress($("verify-email"), async () => {
  enterCode(waitingCode() ?? (await withAccount((account) => account.setEmail(user().email))));
});

submits(
  $("details-form"),
  async () => {
    const typed = { name: $("name").value, email: $("email").value };
    const renamed = typed.name !== user().name && { name: typed.name };
    const moved = typed.email !== user().email && { email: typed.email };
    if (!renamed && !moved) return tell(say("nothing_changed"));
    // With email on, a new address is verified before it replaces the old one.
    const byCode = moved && site.email_enabled;
    const change = { ...renamed, ...(!byCode && moved) };
    const challenge = await changing(
      "details",
      async (account) => {
        if (Object.keys(change).length > 0) setUser(await account.change(change));
        return byCode ? account.setEmail(typed.email) : null;
      },
      typed,
    );
    if (challenge) return enterCode(challenge);
    tell(say("saved"));
  },
  {
    fields: { invalid_name: "name", invalid_email: "email", email_taken: "email", email_needs_verification: "email" },
    more: NAME_HELP,
  },
);

/** @param {{name: string, email: string}} typed @param {boolean} press */
export function finishDetails(typed, press) {
  $("name").value = typed.name;
  $("email").value = typed.email;
  if (!press) return;
  answerAt($("details-submit"));
  $("details-submit").click();
}
