// The inbox. After every change, one server-sent event carries the complete view.

const byId = (id) => document.getElementById(id);
const shown = new Map();

const STATUS = {
  accepted: "On its way",
  sent: "Sent",
  delivered: "Delivered",
  failed: "Failed",
};

// Text nodes only: message texts are shown, never executed.
function emphasised(text) {
  const found = /(?<!\d)\d{6}(?!\d)/.exec(text);
  if (!found) return [text];
  const code = document.createElement("b");
  code.className = "code";
  code.textContent = found[0];
  return [text.slice(0, found.index), code, text.slice(found.index + found[0].length)];
}

async function copy(button, code) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(code);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not copied";
  }
  setTimeout(() => (button.textContent = label), 2000);
}

async function report(id, status) {
  await fetch(`/inbox/${id}/status`, { method: "POST", body: JSON.stringify({ status }) });
}

function idOf(message) {
  return message.channel === "email" ? `${message.message_id} ${message.to}` : message.api_message_id;
}

function element(message) {
  const item = byId("message").content.cloneNode(true).querySelector("li");
  const find = (selector) => item.querySelector(selector);
  const isEmail = message.channel === "email";
  item.dataset.to = message.to;
  item.dataset.id = idOf(message);
  find(".number").textContent = isEmail ? message.to : `+${message.to}`;
  find(".subject").textContent = message.subject ?? "";
  find(".subject").hidden = !isEmail;
  find("time").dateTime = message.received_at;
  find("time").textContent = new Date(message.received_at).toLocaleTimeString();
  find(".text").append(...emphasised(message.content));
  const code = find(".code")?.textContent;
  find(".copy").hidden = !code;
  find(".copy").addEventListener("click", (event) => copy(event.currentTarget, code));
  for (const status of ["delivered", "failed"]) {
    const button = find(`.${status}`);
    button.hidden = isEmail;
    button.setAttribute("aria-label", `Report ${status}: message to +${message.to}`);
    button.addEventListener("click", () => report(message.api_message_id, status));
  }
  return item;
}

// Elements stay in place, so that updates lose neither focus nor selection.
function show({ messages, fault }) {
  const present = new Set(messages.map(idOf));
  for (const [id, item] of shown) {
    if (!present.has(id)) {
      item.remove();
      shown.delete(id);
    }
  }
  let newer = null;
  for (const message of messages) {
    const id = idOf(message);
    if (!shown.has(id)) {
      const item = element(message);
      shown.set(id, item);
      if (newer) newer.after(item);
      else byId("messages").prepend(item);
    }
    newer = shown.get(id);
    const status = newer.querySelector(".status");
    status.dataset.status = message.status;
    status.textContent = STATUS[message.status];
  }
  byId("empty").hidden = messages.length > 0;

  const mode = byId("mode");
  const words = [...mode.options].find((option) => option.value === fault.mode)?.textContent ?? fault.mode;
  const whom = fault.to ? `, to ${fault.to} only` : "";
  const times = fault.count ? `, ${fault.count} more` : "";
  byId("fault").textContent = `Now: ${words}${whom}${times}.`;
  byId("fault").classList.toggle("active", fault.mode !== "none");
}

async function setFault(fault) {
  await fetch("/faults", { method: "PUT", body: JSON.stringify(fault) });
}

byId("fault-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const to = byId("to").value.trim();
  const count = byId("count").valueAsNumber;
  setFault({ mode: byId("mode").value, ...(to && { to }), ...(count > 0 && { count }) });
});

byId("no-fault").addEventListener("click", () => {
  byId("fault-form").reset();
  setFault({ mode: "none" });
});

byId("clear").addEventListener("click", () => fetch("/inbox", { method: "DELETE" }));

const connection = byId("connection");
const events = new EventSource(`/inbox/events${location.search}`);
events.addEventListener("open", () => {
  connection.textContent = "Updates by itself.";
  connection.classList.remove("lost");
});
events.addEventListener("error", () => {
  connection.textContent = "Not connected. Trying again…";
  connection.classList.add("lost");
});
events.addEventListener("inbox", (event) => show(JSON.parse(event.data)));
