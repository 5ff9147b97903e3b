import { $, ready, show } from "./page.js";
import { signedInBefore } from "./tab.js";

if (signedInBefore.get()) {
  show($("go-profile"), true);
  show($("go-register"), false);
}
ready();
