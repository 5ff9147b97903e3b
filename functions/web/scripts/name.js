import { registerComplete } from "./api.js";
import { $, NAME_HELP, fieldError, link, ready, restoreTyped, show, submits, warn, words } from "./page.js";
import { signedIn } from "./session.js";
import { say } from "./say.js";
import { forget, recall } from "./tab.js";

/** @type {{token: string} | null} */
const registration = recall("registration");
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

ready(registration ? $("name") : undefined);
