import { registerPassword, registerPhone } from "./api.js";
import { enterCode } from "./challenge.js";
import { $, NAME_HELP, fieldError, link, ready, restoreTyped, submits, words } from "./page.js";
import { signedIn } from "./session.js";
import { say } from "./say.js";
import { keep, lastWay } from "./tab.js";
import { PHONE_FIELDS, mayAskForCode, ways } from "./ways.js";

const phone = ways();
restoreTyped();

submits(
  $("phone-form"),
  async () => {
    if (!mayAskForCode()) return;
    lastWay.set("phone");
    keep("phone", phone.state());
    enterCode(await registerPhone(phone.value()));
  },
  { fields: PHONE_FIELDS, more: { invalid_phone: () => phone.expected() } },
);

submits(
  $("password-form"),
  async () => {
    const [name, email, password] = ["name", "email", "password"].map((id) => $(id).value);
    lastWay.set("email");
    keep("email", email);
    signedIn(await registerPassword({ name, email, password }));
  },
  {
    fields: { invalid_name: "name", invalid_email: "email", weak_password: "password" },
    more: NAME_HELP,
    problem: (problem) => {
      if (problem.code !== "email_taken") return false;
      fieldError("email", words(problem), link("/login#email", say("sign_in")));
      $("email").focus();
      return true;
    },
  },
);

ready();
