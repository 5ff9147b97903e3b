// Shows new recovery codes, which can't be read again, and lets the user copy or download them.

import { copy } from "./clipboard.js";
import { download } from "./download.js";
import { $, element, show, site } from "./page.js";
import { say } from "./say.js";
import { forget, keep } from "./tab.js";

/**
 * @param {string[]} codes
 * @returns {Promise<void>} when the user has saved them
 */
export function showRecoveryCodes(codes) {
  // A page that is reloaded can't show them again, and says so.
  keep("codes-shown", true);
  const section = $("recovery-codes");
  section.querySelector("ol").replaceChildren(...codes.map((code) => element("li", {}, element("code", {}, code))));
  show(section, true);
  $("recovery-codes-title").focus();
  const status = $("codes-status");
  status.textContent = "";
  $("copy-codes").onclick = async () => {
    status.textContent = say((await copy(codes.join("\n"))) ? "copied" : "not_copied");
  };
  $("download-codes").onclick = () => {
    const text = `${say("codes_file", { site: site.name })}\n\n${codes.join("\n")}\n`;
    download("recovery-codes.txt", "text/plain", text);
  };
  return new Promise((resolve) => {
    $("codes-saved").onclick = () => {
      forget("codes-shown");
      section.querySelector("ol").replaceChildren();
      show(section, false);
      resolve();
    };
  });
}
