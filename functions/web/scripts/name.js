import { registerComplete } from "./api.js";
import { $, ready, restoreTyped, show, submits, warn, words } from "./page.js";
import { signedIn } from "./session.js";
import { say } from "./say.js";
import { recall } from "./tab.js";

/** @type {{token: string} | null} */
const registration = recall("registration");
restoreTyped();

function startAgain() {
  show($("name-form"), false);
  show($("start-again"), true);
}

submits(
  $("name-form"),
  async () => {
    const [name, email] = ["name", "email"].map((id) => $(id).value);
    await registerComplete({ registration_token: registration?.token ?? "", name, email });
    signedIn();
  },
  {
    fields: { invalid_name: "name", invalid_email: "email", email_taken: "email" },
    problem: (problem) => {
      if (problem.code !== "invalid_registration_token" && problem.code !== "phone_taken") return false;
      warn(words(problem));
      startAgain();
      return true;
    },
  },
);

if (registration) {
  ready($("name"));
} else {
  warn(say("errors.invalid_registration_token"));
  startAgain();
  ready();
}
