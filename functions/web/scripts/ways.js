// The choice between phone and email on the registration and sign-in pages, kept in the URL's hash.

import { $, show, site } from "./page.js";
import { phoneField } from "./phone.js";
import { recall } from "./tab.js";

const FORMS = { phone: "phone-form", email: "password-form" };

/**
 * Shows the sign-in methods of the site and the form of the selected one.
 * @param {"phone" | "email"} preferred the default if the URL doesn't say
 */
export async function ways(preferred) {
  const { phone_enabled: phoneEnabled, allowed_countries: allowed } = await site;
  const phone = phoneField({ allowed, start: recall("phone") });

  function draw() {
    const asked = location.hash.slice(1);
    const way = !phoneEnabled ? "email" : asked === "phone" || asked === "email" ? asked : preferred;
    $(`way-${way}`).checked = true;
    for (const [name, form] of Object.entries(FORMS)) show($(form), name === way);
  }

  show($("ways"), phoneEnabled);
  for (const radio of $("ways").querySelectorAll("input")) {
    radio.addEventListener("change", () => {
      history.replaceState(null, "", `#${radio.value}`);
      draw();
    });
  }
  addEventListener("hashchange", draw);
  draw();
  return phone;
}
