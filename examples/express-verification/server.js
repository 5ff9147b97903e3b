// A site with its own accounts that asks for a code from the user's phone as the second step.

import crypto from "node:crypto";

import express from "express";

const { TWOSTEP = "http://localhost:9000", CLIENT_ID, CLIENT_SECRET, PORT = "3000" } = process.env;

/** A request to the verification API. */
async function twostep(path, body) {
  const answer = await fetch(`${TWOSTEP}/v1/verifications${path}`, {
    method: "POST",
    headers: {
      authorization: `Basic ${Buffer.from(`${CLIENT_ID}:${CLIENT_SECRET}`).toString("base64")}`,
      "content-type": "application/json",
    },
    body: JSON.stringify(body),
  });
  return { ok: answer.ok, ...(await answer.json()) };
}

// Accounts and sessions. A real site keeps them in its database.
const accounts = new Map();
const sessions = new Map();

const hash = (password, salt) => crypto.scryptSync(password, salt, 32);

function page(title, ...parts) {
  return `<!doctype html><html lang="en"><title>${title}</title><h1>${title}</h1>${parts.join("")}</html>`;
}

function form(action, ...fields) {
  const inputs = fields.map((name) => {
    const type = name === "password" ? "password" : "text";
    return `<p><label>${name} <input name="${name}" type="${type}" required></label></p>`;
  });
  return `<form method="post" action="${action}">${inputs.join("")}<button>Continue</button></form>`;
}

const app = express();
app.use(express.urlencoded({ extended: false }));

// Each browser has a session on the server, found by a random cookie.
app.use((request, response, next) => {
  const id = /(?:^|; )shop=([\w-]{43})/.exec(request.headers.cookie ?? "")?.[1];
  request.session = sessions.get(id) ?? {};
  request.begin = (session) => {
    // A new ID after each step, so that nobody can prepare a session for somebody else.
    sessions.delete(id);
    const fresh = crypto.randomBytes(32).toString("base64url");
    sessions.set(fresh, session);
    response.cookie("shop", fresh, { httpOnly: true, sameSite: "lax", secure: request.secure });
  };
  next();
});

app.get("/", (request, response) => {
  const { email } = request.session;
  const words = email ? `<p>You are signed in as ${email}.</p>` : form("/login", "email", "password");
  response.send(page("Shop", words, '<p><a href="/register">Create an account</a></p>'));
});

app.get("/register", (_, response) => response.send(page("Register", form("/register", "email", "password", "phone"))));

app.post("/register", (request, response) => {
  const { email, password, phone } = request.body;
  if (accounts.has(email) || !/^[^\s@<>"&]+@[^\s@<>"&]+$/.test(email)) {
    return response.status(400).send(page("Register", "<p>Choose another email address.</p>"));
  }
  const salt = crypto.randomBytes(16);
  accounts.set(email, { email, phone, salt, hash: hash(password, salt) });
  response.redirect("/");
});

app.post("/login", async (request, response) => {
  const { email, password } = request.body;
  const account = accounts.get(email);
  const given = hash(password, account?.salt ?? "");
  if (!account || !crypto.timingSafeEqual(given, account.hash)) {
    return response.status(401).send(page("Shop", "<p>Incorrect email or password.</p>"));
  }
  const started = await twostep("", { phone: account.phone, reference: email, end_user_ip: request.ip });
  if (!started.ok) return response.status(503).send(page("Shop", `<p>No code can be sent: ${started.detail}</p>`));
  // The browser never sees the verification's ID, so it can't put another one in its place.
  request.begin({ pending: { email, verification: started.verification_id } });
  response.redirect("/code");
});

app.get("/code", (request, response) => {
  if (!request.session.pending) return response.redirect("/");
  response.send(page("Enter the code", form("/code", "code")));
});

app.post("/code", async (request, response) => {
  const { pending } = request.session;
  if (!pending) return response.redirect("/");
  const checked = await twostep(`/${pending.verification}/check`, { code: request.body.code });
  if (!checked.ok) return response.status(401).send(page("Enter the code", `<p>${checked.detail}</p>`, form("/code", "code")));
  if (checked.reference !== pending.email) throw new Error("a verification of another user");
  request.begin({ email: pending.email });
  response.redirect("/");
});

app.listen(Number(PORT), () => console.log(`http://localhost:${PORT}`));
