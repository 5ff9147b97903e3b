import { forgotPassword } from "./api.js";
import { enterCode } from "./challenge.js";
import { $, ready, restoreTyped, submits } from "./page.js";
import { keep, recall } from "./tab.js";
import { PHONE_FIELDS, mayAskForCode, ways } from "./ways.js";

const phone = ways();
$("email").value = recall("email") ?? "";
restoreTyped();

submits(
  $("phone-form"),
  async () => {
    if (!mayAskForCode()) return;
    keep("phone", phone.state());
    enterCode(await forgotPassword(phone.value()));
  },
  { fields: PHONE_FIELDS, more: { invalid_phone: () => phone.expected() } },
);

submits(
  $("email-form"),
  async () => {
    if (!mayAskForCode()) return;
    const email = $("email").value;
    keep("email", email);
    enterCode(await forgotPassword({ email }));
  },
  { fields: { invalid_email: "email", too_many_codes: "email" } },
);

ready();
