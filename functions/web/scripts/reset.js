import { resetPassword } from "./api.js";
import { $, ready, submits } from "./page.js";
import { signedIn } from "./session.js";
import { forget, recall } from "./tab.js";

/** @type {{token: string} | null} */
const reset = recall("reset");

submits(
  $("password-form"),
  async () => {
    const session = await resetPassword({ reset_token: reset?.token ?? "", new_password: $("password").value });
    // The pages on this way have not said that another change would follow.
    forget("unfinished");
    signedIn(session);
  },
  {
    fields: { weak_password: "password" },
    problem: (problem) => {
      if (problem.code !== "invalid_reset_token") return false;
      forget("reset");
      document.documentElement.removeAttribute("data-reset");
      $("nothing").querySelector("h1").focus();
      return true;
    },
  },
);

ready(reset ? $("password") : undefined);
