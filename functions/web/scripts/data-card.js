// The user's data: downloaded, or deleted with the account.

import { download } from "./download.js";
import { $, onPress } from "./page.js";
import { leave } from "./session.js";
import { say } from "./say.js";
import { changing, pressing, sure } from "./unfinished.js";

onPress($("download-data"), async () => {
  const data = await changing("export", (account) => account.export());
  download("account.json", "application/json", `${JSON.stringify(data, null, 2)}\n`);
});

onPress($("delete-account"), async () => {
  if (!(await sure("delete", say("confirm_delete"), say("delete")))) return;
  await changing("delete", (account) => account.remove());
  leave(say("deleted"));
});

/** How its changes are finished after a new sign-in. */
export const finishData = {
  export: pressing("download-data"),
  delete: pressing("delete-account"),
};
