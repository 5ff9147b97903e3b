// The clients of the settings page: sites and apps that sign users in through this one, and servers that order codes.

import { Problem, issuer as issuerOf } from "./api.js";
import { copy } from "./clipboard.js";
import { $, answerAtHeading, confirmed, element, fieldError, onPress, show, submits, tell, warn } from "./page.js";
import { say } from "./say.js";
import { STACKS, snippet } from "./snippets.js";

/** @typedef {import("./api.js").Client} Client */
/** @typedef {ReturnType<typeof import("./api.js").admin>} Admin */

/** What the page may do, once it is open. @type {() => Admin} */
let admin;

/** Returns true if the page is locked now. @type {(problem: Problem) => boolean} */
let lockedOut;

/** The client in the form, unless it is a new one. @type {Client | undefined} */
let edited;

/** The address that tokens name as their issuer. @type {string} */
let issuer = location.origin;

/** @param {string} kind */
const kindName = (kind) => $("client-kind").querySelector(`[value="${kind}"]`).textContent;

const uses = (/** @type {string} */ kind) => ({ addresses: kind !== "server", secret: kind === "web" || kind === "server" });

/** @param {() => Admin} open @param {(problem: Problem) => boolean} locked */
export async function openClients(open, locked) {
  [admin, lockedOut] = [open, locked];
  showForm(false);
  show($("client-snippets"), false);
  try {
    issuer = await issuerOf();
    await drawClients();
  } catch (error) {
    const problem = Problem.from(error);
    if (!lockedOut(problem)) throw error;
  }
}

async function drawClients() {
  const { items } = await admin().clients();
  show($("no-clients"), items.length === 0);
  $("clients").replaceChildren(...items.map(entry));
}

/** @param {Client} client */
function entry(client) {
  const { client_id: id, name, kind } = client;
  const button = (/** @type {string} */ text, /** @type {() => Promise<void>} */ what, style = "secondary") => {
    const node = element("button", { type: "button", class: style, "aria-label": `${text}: ${name}` }, text);
    onPress(node, what, lockedOut);
    return node;
  };
  const setUp = button(say("clients.show"), async () => showSnippets(client));
  const edit = button(say("clients.edit"), async () => openForm(client));
  const renew = button(say("clients.renew"), async () => {
    if (!(await confirmed(say("clients.confirm_renew", { name }), say("clients.renew")))) return;
    showSnippets(await admin().renewSecret(id));
  });
  const remove = button(say("remove"), async () => {
    if (!(await confirmed(say("clients.confirm_remove", { name }), say("remove")))) return;
    await admin().removeClient(id);
    answerAtHeading("clients-title");
    await drawClients();
    tell(say("clients.removed", { name }));
  }, "secondary danger");
  const lines = [`${kindName(kind)} · `, element("code", { dir: "ltr" }, id)];
  const buttons = [setUp, ...(uses(kind).addresses ? [edit] : []), ...(uses(kind).secret ? [renew] : []), remove];
  return element("li", {}, element("div", {}, element("b", {}, name), element("small", {}, ...lines)), element("div", { class: "buttons" }, ...buttons));
}

/** @param {boolean} open */
function showForm(open) {
  show($("client-form"), open);
  $("new-client").setAttribute("aria-expanded", String(open));
}

/** @param {Client} [client] */
function openForm(client) {
  edited = client;
  $("client-form").reset();
  $("client-form-title").textContent = client ? client.name : say("clients.new");
  $("client-kind").disabled = Boolean(client);
  if (client) {
    $("client-name").value = client.name;
    $("client-kind").value = client.kind;
    $("client-redirects").value = client.redirect_uris.join("\n");
    $("client-logouts").value = client.post_logout_redirect_uris.join("\n");
  }
  drawKind();
  show($("client-snippets"), false);
  showForm(true);
  $("client-name").focus();
}

function drawKind() {
  show($("client-addresses"), uses($("client-kind").value).addresses);
}

/** The lines of a field. @param {string} id @returns {string[]} */
const linesOf = (id) => $(id).value.split("\n").map((/** @type {string} */ line) => line.trim()).filter(Boolean);

/** @param {Client} client */
function showSnippets(client) {
  showForm(false);
  $("client-snippets-title").textContent = client.name;
  show($("client-secret-note"), Boolean(client.client_secret));
  const stacks = STACKS.filter(({ kinds }) => kinds.includes(client.kind));
  $("snippet-stack").replaceChildren(
    ...stacks.map(({ id, name }) => element("option", { value: id }, name ?? say("clients.environment"))),
  );
  const draw = () => {
    $("snippet").textContent = snippet($("snippet-stack").value, issuer, client);
    $("snippet-status").textContent = "";
  };
  $("snippet-stack").onchange = draw;
  draw();
  show($("client-snippets"), true);
  $("client-snippets-title").focus();
}

submits(
  $("client-form"),
  async () => {
    const kind = $("client-kind").value;
    const addresses = uses(kind).addresses && { redirect_uris: linesOf("client-redirects"), post_logout_redirect_uris: linesOf("client-logouts") };
    const body = { name: $("client-name").value.trim(), ...addresses };
    const saved = edited ? await admin().changeClient(edited.client_id, body) : await admin().addClient({ kind, ...body });
    await drawClients();
    showSnippets(saved);
  },
  {
    problem: (problem) => {
      if (lockedOut(problem)) return true;
      const fields = { name: "client-name", redirect_uris: "client-redirects", post_logout_redirect_uris: "client-logouts" };
      const id = Object(fields)[problem.field ?? ""];
      if (problem.code !== "invalid_setting" || !id) return false;
      warn(say("check_fields"));
      fieldError(id, say(id === "client-name" ? "clients.invalid_name" : "clients.invalid_addresses"));
      $(id).focus();
      return true;
    },
  },
);
for (const id of ["client-redirects", "client-logouts"]) $(id).addEventListener("input", () => fieldError(id, ""));

$("client-kind").addEventListener("change", drawKind);
$("new-client").addEventListener("click", () => ($("client-form").hidden ? openForm() : showForm(false)));
$("client-cancel").addEventListener("click", () => {
  showForm(false);
  $("new-client").focus();
});
$("copy-snippet").addEventListener("click", async () => {
  $("snippet-status").textContent = say((await copy($("snippet").textContent)) ? "copied" : "not_copied");
});
$("snippets-done").addEventListener("click", () => {
  show($("client-snippets"), false);
  $("snippet").textContent = "";
  $("clients-title").focus();
});
