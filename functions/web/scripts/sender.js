// Who sends messages, on the settings page.

import { $, show } from "./page.js";

/** @param {import("./api.js").Settings} stored */
export function drawSender({ sender: { order, webhook } }) {
  $("sender-order").value = order.join();
  $("sender-url").value = webhook?.url ?? "";
  $("sender-secret").textContent = webhook?.secret ?? "";
  $("sender-status-url").textContent = webhook?.status_url ?? "";
  show($("sender-secrets"), Boolean(webhook?.secret));
}

/** What the form changes. @param {import("./api.js").Settings} stored */
export function changedSender({ sender: { order, webhook } }) {
  const [typed, url] = [$("sender-order").value, $("sender-url").value.trim()];
  return { ...(typed !== order.join() && { order: typed.split(",") }), ...(url !== (webhook?.url ?? "") && { webhook: { url } }) };
}
