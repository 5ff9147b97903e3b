import { $, ready } from "./page.js";
import { onAccountChange } from "./tabs.js";

onAccountChange((user) => {
  document.documentElement.toggleAttribute("data-signed-in", user !== null);
  if (user === null && $("go-profile") === document.activeElement) $("go-login").focus();
});
ready();
