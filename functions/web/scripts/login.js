import { loginPassword, loginPhone } from "./api.js";
import { enterCode } from "./challenge.js";
import { asked, hint } from "./client.js";
import { $, ready, restoreTyped, show, submits } from "./page.js";
import { say } from "./say.js";
import { signedIn } from "./session.js";
import { keep, lastWay, recall } from "./tab.js";
import { PHONE_FIELDS, mayAskForCode, ways } from "./ways.js";

/** The change for which the user signs in again. */
const unfinished = recall("next")?.why === "reauth" ? recall("unfinished") : null;
show($("reauth-note"), asked === "again" || recall("next")?.why === "reauth");
if (unfinished) $("reauth-note").textContent = say(`reauth.${unfinished.name}`);
show($("two-step-note"), asked === "two-step");
show($("signed-out-note"), recall("next")?.why === "signed_out");
if (hint.startsWith("+")) keep("phone", { typed: hint, number: hint });
// Two steps begin with the password.
if (asked === "two-step" || hint) {
  document.documentElement.dataset.way = asked === "two-step" || !hint.startsWith("+") ? "email" : "phone";
}
// What the account has says how its user signs in.
if (unfinished) {
  document.documentElement.dataset.way = unfinished.has_password ? "email" : "phone";
  if (unfinished.phone) keep("phone", { typed: unfinished.phone, number: unfinished.phone });
}
const phone = ways();
const known = unfinished?.email ?? (hint.includes("@") ? hint : recall("email"));
if (!$("email").value) $("email").value = known ?? "";
if (unfinished?.has_password) $("password").focus();
restoreTyped();

submits(
  $("phone-form"),
  async () => {
    if (!mayAskForCode()) return;
    lastWay.set("phone");
    keep("phone", phone.state());
    enterCode(await loginPhone(phone.value()));
  },
  { fields: PHONE_FIELDS, more: { invalid_phone: () => phone.expected() } },
);

submits(
  $("password-form"),
  async () => {
    const [email, password] = ["email", "password"].map((id) => $(id).value);
    lastWay.set("email");
    keep("email", email);
    const answer = await loginPassword({ email, password });
    if ("challenge_id" in answer) enterCode(answer);
    else signedIn(answer);
  },
  { fields: { invalid_credentials: "password" } },
);

ready();
