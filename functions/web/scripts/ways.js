// The choice between phone and email on the registration and sign-in pages, kept in the URL's hash. `early.js` has made it before the first
// paint, and the style shows its form.

import { toClient } from "./client.js";
import { $, atWrongHost, link, site, tell, warn } from "./page.js";
import { phoneField } from "./phone.js";
import { say } from "./say.js";
import { recall } from "./tab.js";
import { onAccountChange } from "./tabs.js";

/** The field of each problem of a number. */
export const PHONE_FIELDS = { invalid_phone: "phone", phone_not_allowed: "phone", too_many_codes: "phone" };

/** Prepares the choice and returns the phone field. */
export function ways() {
  const marks = document.documentElement.dataset;
  const draw = () => {
    const way = site.phone_enabled && marks.way !== "email" ? "phone" : "email";
    $(`way-${way}`).checked = true;
  };
  for (const radio of $("ways").querySelectorAll("input")) {
    radio.addEventListener("change", () => {
      history.replaceState(history.state, "", `#${radio.value}`);
      marks.way = radio.value;
    });
  }
  addEventListener("hashchange", draw);
  draw();
  onAccountChange((user) => {
    if (user) tell(`${say("signed_in_elsewhere")} `, link(toClient ?? recall("next")?.path ?? "/profile", say("continue")));
  });
  return phoneField({ allowed: site.allowed_countries, start: recall("phone") });
}

/** Whether a code may be sent from here. If not, says at which address the site is. */
export function mayAskForCode() {
  if (atWrongHost) warn(say("errors.wrong_host", { host: site.host }));
  return !atWrongHost;
}
