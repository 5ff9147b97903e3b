// The API reference, which is in English: finds routes, opens the one in the address, and copies commands.

import { copy } from "./clipboard.js";
import { $, ready, show } from "./page.js";

const sections = [...document.querySelectorAll(".reference section")];
const routes = [...document.querySelectorAll(".operation")];

/** Shows the routes whose heading or summary contains every word. */
function find() {
  const words = $("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = (/** @type {Element} */ route) => {
    const text = route.querySelector("summary")?.textContent?.toLowerCase() ?? "";
    return words.every((word) => text.includes(word));
  };
  const found = routes.filter(matches);
  for (const route of routes) show(/** @type {Element} */ (route.parentElement), found.includes(route));
  // The objects stay only while nothing is looked for.
  for (const section of sections) show(section, words.length === 0 || Boolean(section.querySelector("article:not([hidden]) .operation")));
  $("found").textContent = words.length === 0 ? "" : found.length === 1 ? "1 route" : `${found.length} routes`;
}

function openAddressed() {
  const id = decodeURIComponent(location.hash.slice(1));
  const route = id && document.getElementById(id)?.querySelector(".operation");
  if (!route) return;
  route.setAttribute("open", "");
  route.scrollIntoView();
}

show($("search-form"), true);
$("search").addEventListener("input", find);
$("search-form").addEventListener("submit", (/** @type {Event} */ event) => event.preventDefault());
for (const button of document.querySelectorAll(".copy")) {
  show(button, true);
  button.addEventListener("click", async () => {
    const command = button.previousElementSibling?.textContent ?? "";
    const copied = await copy(command);
    $("copied").textContent = "";
    $("copied").textContent = copied ? "Copied." : "Your browser blocked copying.";
    button.textContent = copied ? "Copied" : "Select and copy";
  });
}
addEventListener("hashchange", openAddressed);
openAddressed();
ready();
