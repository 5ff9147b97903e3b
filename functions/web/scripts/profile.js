import { Problem } from "./api.js";
import { setUser } from "./account-user.js";
import { asked } from "./client.js";
import { finishData } from "./data-card.js";
import { drawDevices } from "./devices-card.js";
import { finishDetails } from "./email-card.js";
import { $, answerAt, onPress, ready, show, site, tell, warn, words } from "./page.js";
import { finishPassword } from "./password-card.js";
import { finishPhone, openPhoneForm, startPhoneForm } from "./phone-card.js";
import { drawActivity, drawSessions } from "./sessions-card.js";
import { followOtherTabs, resume, signOut } from "./session.js";
import { say } from "./say.js";
import { take } from "./tab.js";
import { finishTwoStep } from "./two-step-card.js";
import { finish } from "./unfinished.js";

/** How each change is finished after a new sign-in. */
const FINISH = {
  details: finishDetails,
  phone: finishPhone,
  password: finishPassword,
  ...finishTwoStep,
  ...finishData,
};

onPress($("sign-out"), signOut);

followOtherTabs();
show($("two-step-note"), asked === "two-step");

try {
  const user = await resume();
  setUser(user);
  startPhoneForm();
  await Promise.all([drawDevices(), drawSessions(), drawActivity()]);
  show($("loading"), false);
  show($("profile"), true);
  const wantsPhone = take("resume") === "phone" && site.phone_enabled;
  const lost = take("codes-shown") && !$("codes-part").hidden;
  if (lost) {
    answerAt($("new-codes").parentElement ?? $("new-codes"));
    tell(say("codes_were_shown"));
  }
  ready(wantsPhone ? $("change-phone") : lost || location.hash === "#new-codes" ? $("new-codes") : undefined);
  if (!finish(FINISH) && wantsPhone) openPhoneForm(true);
} catch (error) {
  show($("loading"), false);
  show($("load-again"), true);
  warn(words(Problem.from(error)));
  ready($("load-again"));
}
