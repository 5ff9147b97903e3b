import { registerPassword, registerPhone } from "./api.js";
import { enterCode } from "./challenge.js";
import { $, ready, restoreTyped, submits } from "./page.js";
import { signedIn } from "./session.js";
import { keep } from "./tab.js";
import { ways } from "./ways.js";

const phone = await ways("phone");
restoreTyped();

submits(
  $("phone-form"),
  async () => {
    keep("phone", phone.state());
    enterCode(await registerPhone(phone.value()));
  },
  { fields: { invalid_phone: "phone", phone_not_allowed: "phone", too_many_codes: "phone" } },
);

submits(
  $("password-form"),
  async () => {
    const [name, email, password] = ["name", "email", "password"].map((id) => $(id).value);
    await registerPassword({ name, email, password });
    signedIn();
  },
  { fields: { invalid_name: "name", invalid_email: "email", email_taken: "email", weak_password: "password" } },
);

ready();
