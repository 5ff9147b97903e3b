// Phone or e-mail: the choice on the pages for registration and sign-in, kept in the address.

import { $, show, site } from "./page.js";
import { phoneField } from "./phone.js";
import { recall } from "./tab.js";

const FORMS = { phone: "phone-form", email: "password-form" };

/**
 * Shows the ways that the site offers, and the form of the chosen one.
 * @param {"phone" | "email"} preferred where neither the address nor the visitor says
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
