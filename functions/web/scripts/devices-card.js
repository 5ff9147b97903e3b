// Remembered devices.

import { deviceName } from "./agent.js";
import { $, answerAtHeading, confirmed, element, onPress, show, tell } from "./page.js";
import { withAccount } from "./session.js";
import { day, say } from "./say.js";

export async function drawDevices() {
  const devices = await withAccount((account) => account.devices());
  show($("no-devices"), devices.length === 0);
  $("devices").replaceChildren(
    ...devices.map((device) => {
      const name = deviceName(device.name);
      const dates = say("device_dates", { used: day(device.last_used_at), until: day(device.expires_at) });
      const remove = element("button", { type: "button", class: "secondary remove", "aria-label": `${say("remove")}: ${name}` }, say("remove"));
      onPress(remove, async () => {
        if (!(await confirmed(say("confirm_device", { device: name }), say("remove")))) return;
        await withAccount((account) => account.removeDevice(device.id));
        answerAtHeading("devices-title");
        await drawDevices();
        tell(say("device_removed", { device: name }));
      });
      return element("li", {}, element("div", {}, element("b", {}, name), element("small", {}, dates)), remove);
    }),
  );
}
