import { confirmLogin, registerComplete } from "./api.js";
import { $, NAME_HELP, fieldError, link, ready, restoreTyped, show, submits, warn, words } from "./page.js";
import { signedIn } from "./session.js";
import { say } from "./say.js";
import { asciiDigits, withoutMarks } from "./input.js";
import { forget, keep, recall } from "./tab.js";

/** @type {{token: string} | null} */
const registration = recall("registration");

/**
 * The number's account has not been used for a long time: what proves that it is still its owner's.
 * @type {{token: string, with: ("password" | "totp" | "recovery_code")[]} | null}
 */
const idle = recall("idle");
restoreTyped();

submits(
  $("name-form"),
  async () => {
    const [name, email] = ["name", "email"].map((id) => $(id).value);
    signedIn(await registerComplete({ registration_token: registration?.token ?? "", name, email }));
  },
  {
    fields: { invalid_name: "name", invalid_email: "email" },
    more: NAME_HELP,
    problem: (problem) => {
      if (problem.code === "email_taken") {
        fieldError("email", words(problem), link("/login#email", say("sign_in")));
        $("email").focus();
        return true;
      }
      if (problem.code !== "invalid_registration_token" && problem.code !== "phone_taken") return false;
      forget("registration");
      if (problem.code === "phone_taken") {
        show($("name-submit"), false);
        warn(`${words(problem)} `, link("/login#phone", say("sign_in")));
        return true;
      }
      document.documentElement.removeAttribute("data-registration");
      $("nothing").querySelector("h1").focus();
      return true;
    },
  },
);

// A number that has an account

/** What was entered to confirm the account, or nothing. */
function proof() {
  const password = $("password").value;
  if (password) return { password };
  const code = withoutMarks($("confirm-code").value);
  const digits = asciiDigits(code).replace(/\s/g, "");
  if (!code) return null;
  return /^\d{6}$/.test(digits) && idle?.with.includes("totp") ? { totp: digits } : { recovery_code: code.trim() };
}

submits(
  $("confirm-form"),
  async () => {
    const entered = proof();
    if (!entered) return fieldError(idle?.with.includes("password") ? "password" : "confirm-code", say("required"));
    signedIn(await confirmLogin({ registration_token: idle?.token ?? "", ...entered }));
  },
  {
    fields: { invalid_credentials: "password", wrong_code: "confirm-code", invalid_code_format: "confirm-code" },
    problem: (problem) => {
      if (problem.code !== "invalid_registration_token") return false;
      forget("idle");
      document.documentElement.removeAttribute("data-idle");
      $("nothing").querySelector("h1").focus();
      return true;
    },
  },
);

$("not-mine").addEventListener("click", () => {
  keep("registration", { token: idle?.token });
  forget("idle");
  location.reload();
});

if (idle && idle.with.length === 0) {
  show($("confirm-form"), false);
  $("idle-lead").textContent = say("idle_closed");
}
show($("confirm-by-password"), Boolean(idle?.with.includes("password")));
show($("confirm-by-code"), Boolean(idle?.with.some((proof) => proof !== "password")));
ready(idle ? undefined : registration ? $("name") : undefined);
