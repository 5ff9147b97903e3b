// The phone number: shown, added and changed.

import { onUser, user } from "./account-user.js";
import { enterCode } from "./challenge.js";
import { $, show, site, submits } from "./page.js";
import { phoneField } from "./phone.js";
import { ltr, say } from "./say.js";
import { keep, recall } from "./tab.js";
import { changing, waitingChange } from "./unfinished.js";
import { PHONE_FIELDS, mayAskForCode } from "./ways.js";

onUser(({ phone }) => {
  $("phone-state").textContent = phone ? say("phone_verified", { phone: ltr(phone) }) : say("no_phone");
  $("change-phone").textContent = say(phone ? "change_phone" : "add_phone");
  show($("change-phone"), site.phone_enabled);
  show($("phone-off"), !site.phone_enabled);
});

/** @param {boolean} open */
export function openPhoneForm(open) {
  show($("phone-form"), open);
  $("change-phone").setAttribute("aria-expanded", String(open));
  $("change-phone").textContent = say(open ? "close" : user().phone ? "change_phone" : "add_phone");
  if (open) $("phone").focus();
}

$("change-phone").addEventListener("click", () => openPhoneForm($("phone-form").hidden));

/** Prepares the form with what was typed before. */
export function startPhoneForm() {
  const phone = phoneField({ allowed: site.allowed_countries, start: waitingChange("phone") ?? recall("phone") });
  submits(
    $("phone-form"),
    async () => {
      if (!mayAskForCode()) return;
      keep("phone", phone.state());
      enterCode(await changing("phone", (account) => account.setPhone(phone.value()), phone.state()));
    },
    { fields: PHONE_FIELDS, more: { invalid_phone: () => phone.expected() } },
  );
}

/** @param {unknown} _ the field holds what was typed @param {boolean} press */
export function finishPhone(_, press) {
  openPhoneForm(true);
  if (press) $("phone-submit").click();
}
