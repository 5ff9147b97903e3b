// A receiver that verifies events with the official JavaScript library of Standard Webhooks.

import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const { ISSUER, ADMIN_KEY } = process.env;

/** @type {{headers: import("node:http").IncomingHttpHeaders, body: string}[]} */
const received = [];
const server = createServer((request, response) => {
  let body = "";
  request.on("data", (chunk) => (body += chunk));
  request.on("end", () => {
    received.push({ headers: request.headers, body });
    response.writeHead(200).end("{}");
  });
});
await new Promise((listening) => server.listen(0, "127.0.0.1", () => listening(undefined)));

async function call(method, path, body) {
  const headers = { authorization: `Bearer ${ADMIN_KEY}`, "content-type": "application/json" };
  const answer = await fetch(`${ISSUER}/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
const webhook = await call("POST", "/admin/webhooks", { url: `http://localhost:${port}/events` });
const official = new Webhook(webhook.secret);
await call("POST", `/admin/webhooks/${webhook.id}/test`);
const test = received.pop();
if (official.verify(test.body, test.headers).type !== "webhook.test") throw new Error(test.body);

// Functions learn of a new webhook within half a minute.
const deadline = Date.now() + 60_000;
while (received.length === 0) {
  if (Date.now() > deadline) throw new Error("no event");
  const email = `${crypto.randomUUID()}@example.com`;
  await call("POST", "/register/password", { name: "Ada", email, password: "correct horse battery staple" });
  for (let tries = 0; tries < 30 && received.length === 0; tries += 1) await new Promise((resolve) => setTimeout(resolve, 100));
}
const { headers, body } = received[0];
if (official.verify(body, headers).type !== "user.created") throw new Error(body);
try {
  official.verify(body.replace("created", "deleted"), headers);
  throw new Error("an altered event was accepted");
} catch (error) {
  if (error.name !== "WebhookVerificationError") throw error;
}
console.log("standardwebhooks is content");
process.exit(0);
