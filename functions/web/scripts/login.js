import { loginPassword, loginPhone } from "./api.js";
import { enterCode } from "./challenge.js";
import { $, ready, restoreTyped, show, submits } from "./page.js";
import { signedIn } from "./session.js";
import { keep, recall } from "./tab.js";
import { ways } from "./ways.js";

show($("reauth-note"), recall("next")?.why === "reauth");
const phone = await ways(recall("way") ?? "phone");
$("email").value = recall("email") ?? "";
restoreTyped();

submits(
  $("phone-form"),
  async () => {
    keep("way", "phone");
    keep("phone", phone.state());
    enterCode(await loginPhone(phone.value()));
  },
  { fields: { invalid_phone: "phone", phone_not_allowed: "phone", too_many_codes: "phone" } },
);

submits(
  $("password-form"),
  async () => {
    const [email, password] = ["email", "password"].map((id) => $(id).value);
    keep("way", "email");
    keep("email", email);
    const answer = await loginPassword({ email, password });
    if ("challenge_id" in answer) enterCode(answer);
    else signedIn();
  },
  { fields: { invalid_credentials: "password" } },
);

ready();
