// @ts-check
// The client of the HTTP API (see /docs): one function per route. Refresh and device tokens stay in cookies that scripts can't read; the
// caller passes the access token.

import { supersede } from "./tabs.js";
import { heard } from "./time.js";

/** @typedef {{id: string, name: string, email: string, email_verified: boolean, phone: string | null, two_step: boolean, has_password: boolean, totp: boolean, recovery_codes_left: number, role: "user" | "admin", created_at: string}} User */
/** @typedef {{phone: string, country?: string}} Phone a number as people in the country write it */
/** @typedef {{outcome: "signed_in", access_token: string, expires_in: number, user: User, email_challenge?: Challenge}} Session */
/** @typedef {"register" | "login" | "second_step" | "profile" | "email" | "reset" | "reset_second_step"} Purpose */
/** @typedef {"pending" | "sent" | "delivered" | "failed" | "unknown" | "none"} Delivery */
/** @typedef {{challenge_id: string, purpose: Purpose, channel: "sms" | "email" | "none", hint?: string, phone_hint?: string, methods?: ("sms" | "email" | "totp" | "recovery_code")[], code_length: number, expires_at: string, resend_at: string, delivery: Delivery, failure?: string}} Challenge */
/** @typedef {{outcome: "phone_verified", registration_token: string, expires_in: number}} Verified */
/** @typedef {{outcome: "phone_verified", user: User, recovery_codes?: string[]}} PhoneSet */
/** @typedef {{outcome: "phone_idle", registration_token: string, expires_in: number, confirm_with: ("password" | "totp" | "recovery_code")[]}} PhoneIdle */
/** @typedef {{outcome: "may_reset", reset_token: string, expires_in: number}} MayReset */
/** @typedef {{outcome: "second_step", challenge: Challenge}} SecondStep */
/** @typedef {{outcome: "email_verified", user: User}} EmailVerified */
/** @typedef {{id: string, name: string, created_at: string, last_used_at: string, expires_at: string}} Device */
/** @typedef {{id: string, current: boolean, created_at: string, last_used_at: string, client: string, amr: string[], client_id?: string}} ListedSession */
/** @typedef {{at: string, event: string, client?: string, amr?: string[], session_id?: string, by?: "operator"}} Activity */
/** @typedef {User & {disabled: boolean, last_used_at: string | null, sessions: number, devices: number}} AdminUser */
/** @typedef {{name: string, host: string, two_step_enabled: boolean, phone_enabled: boolean, email_enabled: boolean, allowed_countries: string[], languages: string[]}} Site */
/** @typedef {{configured: boolean, api: "rest" | "one", from: string | null, key_hint: string | null, updated_at: string | null}} Clickatell */
/** @typedef {{two_step_enabled: boolean, site_name: string, site_host: string, phone_login_for_password_accounts: boolean, allowed_countries: string[], clickatell: Clickatell, sender: Sender, theme: Theme, links: Links} & Money} Settings */
/** @typedef {{order: ("clickatell" | "webhook")[], webhook: {url: string, secret?: string, status_url?: string} | null}} Sender */
/** @typedef {{logo_url?: string, accent?: string, radius?: "0" | "8" | "16"}} Theme */
/** @typedef {{terms?: string, privacy?: string, help?: string}} Links */
/** @typedef {{client_id: string, name: string, kind: "web" | "spa" | "native" | "server", redirect_uris: string[], post_logout_redirect_uris: string[], created_at: string, client_secret?: string}} Client */
/** @typedef {{messages: number | null, spend: number | null}} Allowance */
/** @typedef {{hour: Allowance, day: Allowance, month: Allowance}} Budget */
/** @typedef {{all: Budget, country: Budget, countries: Record<string, Budget>}} Budgets */
/** @typedef {{currency: string, default: number, countries: Record<string, number>}} Prices */
/** @typedef {{address_hour: number, address_day: number, prefix_hour: number, number_day: number, client_hour: number}} Limits */
/** @typedef {{budgets: Budgets, prices: Prices, limits: Limits, breaker: {mode: "enforce" | "record_only", floor: number, share_percent: number}}} Money */
/** @typedef {{sent: number, delivered: number, failed: Record<string, number>, verified: number, sign_ins: number, spent: number, tests: number, cost_per_sign_in: number | null}} Figures */
/** @typedef {{step: "normal" | "proven_numbers_only" | "closed", cause: string, since: string, until: string}} Tripped */
/** @typedef {{mode: "enforce" | "record_only", countries: Record<string, Tripped>, prefixes: Record<string, Tripped>} & Pick<Tripped, "step"> & Partial<Tripped>} Breaker */
/** @typedef {{currency: string, total: Figures, senders: Record<string, {sent: number, refused: number}>, days: ({day: string, country: string} & Figures)[], breaker: Breaker}} Usage */

/**
 * An error response (RFC 9457), or no response: `offline` if the site was not reached, `timeout` if it did not answer in time,
 * `superseded` if another tab signed in or out meanwhile. `busy` is an answer of the gateway, which has no code.
 */
export class Problem extends Error {
  /** @param {{code?: string, status?: number, field?: string, detail?: string, attempts_left?: number, retry_after?: number}} body */
  constructor(body) {
    const status = body.status ?? 0;
    const code = body.code ?? (status === 404 || status === 429 || status >= 500 ? "busy" : "unknown");
    super(code);
    this.code = code;
    this.status = status;
    this.field = body.field;
    this.detail = body.detail ?? "";
    this.attemptsLeft = body.attempts_left;
    this.retryAfter = body.retry_after ?? (code === "busy" ? BUSY : 0);
  }

  /** Any error as a problem. One that isn't an answer of the API is a bug. @param {unknown} error */
  static from(error) {
    if (error instanceof Problem) return error;
    console.error(error);
    return new Problem({});
  }
}

/** Seconds to wait if the gateway doesn't say how many. */
const BUSY = 10;

/** Milliseconds after which a request is given up. */
const LIMIT = 15_000;

/**
 * The keys of requests whose answer got lost, by what they asked. Sending one again with its key repeats its outcome.
 * @type {Map<string, string>}
 */
const unanswered = new Map();

/** @param {string} what */
function onceKey(what) {
  const random = crypto.getRandomValues(new Uint8Array(16));
  const key = unanswered.get(what) ?? Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
  unanswered.set(what, key);
  return key;
}

/**
 * @param {string} method
 * @param {string} path below `/v1`
 * @param {{body?: object, bearer?: string, cookie?: boolean, keepalive?: boolean, once?: boolean, full?: boolean, signal?: AbortSignal}} [options]
 *   `cookie`: whether the answer sets or clears the session cookie. `once`: whether the request must not take effect twice. `full`: asks for
 *   content where an empty answer is the rule
 * @returns {Promise<any>}
 */
async function call(method, path, { body, bearer, cookie, keepalive, once, full, signal } = {}) {
  /** @type {Record<string, string>} */
  const headers = { accept: "application/json", "accept-language": document.documentElement.lang };
  const text = body && JSON.stringify(body);
  const what = `${path} ${text}`;
  if (body) headers["content-type"] = "application/json";
  if (bearer) headers.authorization = `Bearer ${bearer}`;
  if (cookie) headers["x-session"] = "cookie";
  if (once) headers["idempotency-key"] = onceKey(what);
  if (full) headers.prefer = "return=representation";
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), LIMIT);
  signal?.addEventListener("abort", () => limit.abort());
  try {
    const answer = await fetch(`/v1${path}`, { method, headers, keepalive, body: text, signal: limit.signal });
    heard(answer.headers.get("date"));
    const content = answer.status === 204 ? null : await readJson(answer);
    if (answer.status < 500) unanswered.delete(what);
    if (answer.ok) return content;
    const wait = Number(answer.headers.get("retry-after")) || undefined;
    throw new Problem({ retry_after: wait, ...content, status: answer.status });
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem({ code: signal?.aborted ? "superseded" : limit.signal.aborted ? "timeout" : "offline" });
  } finally {
    clearTimeout(timer);
  }
}

/** The JSON of an answer, or nothing if it is something else. @param {Response} answer */
async function readJson(answer) {
  const text = await answer.text();
  try {
    return JSON.parse(text);
  } catch {
    if (answer.ok) throw new Problem({});
    return {};
  }
}

/** A request that signs in or out. @param {string} path @param {{body?: object, keepalive?: boolean, once?: boolean}} [options] */
async function signing(path, options) {
  const answer = await call("POST", path, { ...options, cookie: true });
  supersede();
  return answer;
}

/** @returns {Promise<Challenge>} */
export const registerPhone = (/** @type {Phone} */ body) => call("POST", "/register/phone", { body });

/** @returns {Promise<Session>} */
export const registerComplete = (/** @type {{registration_token: string, name: string, email: string}} */ body) =>
  signing("/register/complete", { body, once: true });

/** @returns {Promise<Session>} */
export const registerPassword = (/** @type {{name: string, email: string, password: string}} */ body) =>
  signing("/register/password", { body, once: true });

/** @returns {Promise<Challenge>} */
export const loginPhone = (/** @type {Phone} */ body) => call("POST", "/login/phone", { body });

/** @returns {Promise<Session | Challenge>} */
export const loginPassword = (/** @type {{email: string, password: string}} */ body) =>
  signing("/login/password", { body });

/** @returns {Promise<Session | Verified | PhoneSet | PhoneIdle | MayReset | SecondStep | EmailVerified>} */
export const verify = (
  /** @type {string} */ id,
  /** @type {{code?: string, totp?: string, recovery_code?: string, remember_device?: boolean}} */ body,
) => signing(`/codes/${encodeURIComponent(id)}/verify`, { body, once: true });

/** @returns {Promise<Session>} */
export const confirmLogin = (
  /** @type {{registration_token: string, password?: string, totp?: string, recovery_code?: string}} */ body,
) => signing("/login/confirm", { body });

/** @returns {Promise<Challenge>} */
export const forgotPassword = (/** @type {Phone | {email: string}} */ body) => call("POST", "/password/forgot", { body });

/** @returns {Promise<Session>} */
export const resetPassword = (/** @type {{reset_token: string, new_password: string}} */ body) =>
  signing("/password/reset", { body, once: true });

/** @returns {Promise<Challenge>} */
export const resend = (/** @type {string} */ id) => call("POST", `/codes/${encodeURIComponent(id)}/resend`);

/** @returns {Promise<Challenge>} */
export const challenge = (/** @type {string} */ id) => call("GET", `/codes/${encodeURIComponent(id)}`);

// `keepalive` completes the request if the user leaves the page. Otherwise, the browser would keep a refresh token that is used up.
/** @returns {Promise<Session>} */
export const refresh = (/** @type {AbortSignal} */ signal) =>
  call("POST", "/session/refresh", { cookie: true, keepalive: true, signal });

/** @returns {Promise<null>} */
export const logout = () => signing("/session/logout", { keepalive: true });

/** The routes that need an access token. @param {string} bearer */
export const account = (bearer) => ({
  /** @returns {Promise<User>} */
  profile: () => call("GET", "/profile", { bearer }),
  /** @returns {Promise<User>} */
  change: (/** @type {{name?: string, email?: string}} */ body) => call("PATCH", "/profile", { bearer, body }),
  /** @returns {Promise<Challenge>} */
  setPhone: (/** @type {Phone} */ body) => call("PUT", "/profile/phone", { bearer, body }),
  /** @returns {Promise<null>} */
  removePhone: () => call("DELETE", "/profile/phone", { bearer }),
  /** @returns {Promise<{user: User, recovery_codes?: string[]}>} */
  setPassword: (/** @type {{current_password?: string, new_password: string}} */ body) =>
    call("PUT", "/profile/password", { bearer, body, full: true }),
  /** @returns {Promise<{recovery_codes: string[]}>} */
  newRecoveryCodes: () => call("POST", "/profile/recovery-codes", { bearer, once: true }),
  /** @returns {Promise<Device[]>} */
  devices: () => call("GET", "/profile/devices", { bearer }),
  /** @returns {Promise<Challenge>} */
  setEmail: (/** @type {string} */ email) => call("PUT", "/profile/email", { bearer, body: { email } }),
  /** @returns {Promise<{secret: string, otpauth_uri: string, qr_svg: string}>} */
  startTotp: () => call("POST", "/profile/totp", { bearer }),
  /** @returns {Promise<{user: User, recovery_codes?: string[]}>} */
  confirmTotp: (/** @type {string} */ code) => call("POST", "/profile/totp/confirm", { bearer, body: { code }, once: true }),
  /** @returns {Promise<null>} */
  removeTotp: () => call("DELETE", "/profile/totp", { bearer }),
  /** @returns {Promise<ListedSession[]>} */
  sessions: () => call("GET", "/profile/sessions", { bearer }),
  /** @returns {Promise<null>} */
  endSession: (/** @type {string} */ id) => call("DELETE", `/profile/sessions/${encodeURIComponent(id)}`, { bearer }),
  /** @returns {Promise<null>} */
  endOtherSessions: () => call("DELETE", "/profile/sessions", { bearer }),
  /** @returns {Promise<{items: Activity[], next?: string}>} */
  activity: (/** @type {string} */ after = "") =>
    call("GET", `/profile/activity${after && `?${new URLSearchParams({ after })}`}`, { bearer }),
  /** @returns {Promise<object>} */
  export: () => call("GET", "/profile/export", { bearer }),
  /** @returns {Promise<null>} */
  remove: () => call("DELETE", "/profile", { bearer }),
  /** @returns {Promise<null>} */
  removeDevice: (/** @type {string} */ id) => call("DELETE", `/profile/devices/${encodeURIComponent(id)}`, { bearer }),
});

/** The address that tokens name as their issuer. @returns {Promise<string>} */
export async function issuer() {
  const discovery = await fetch("/.well-known/openid-configuration").then(readJson).catch(() => ({}));
  return discovery.issuer ?? location.origin;
}

/** The routes for operators, with the admin key or an admin's access token. @param {string} bearer */
export const admin = (bearer) => ({
  /** @returns {Promise<Settings>} */
  settings: () => call("GET", "/settings", { bearer }),
  /** @returns {Promise<Settings>} */
  change: (/** @type {object} */ body) => call("PUT", "/settings", { bearer, body }),
  /** @returns {Promise<Usage>} */
  usage: () => call("GET", "/settings/usage", { bearer }),
  /** @returns {Promise<{delivery: "sent", message_id: string}>} */
  testSms: (/** @type {Phone} */ body) => call("POST", "/settings/test-sms", { bearer, body }),
  /** @returns {Promise<{items: Client[]}>} */
  clients: () => call("GET", "/admin/clients", { bearer }),
  /** @returns {Promise<Client>} */
  addClient: (/** @type {object} */ body) => call("POST", "/admin/clients", { bearer, body }),
  /** @returns {Promise<Client>} */
  changeClient: (/** @type {string} */ id, /** @type {object} */ body) => call("PATCH", `/admin/clients/${id}`, { bearer, body }),
  removeClient: (/** @type {string} */ id) => call("DELETE", `/admin/clients/${id}`, { bearer }),
  /** @returns {Promise<Client>} */
  renewSecret: (/** @type {string} */ id) => call("POST", `/admin/clients/${id}/secret`, { bearer }),
  /** @returns {Promise<{items: AdminUser[], next?: string}>} */
  users: (/** @type {Record<string, string>} */ query) => call("GET", `/admin/users?${new URLSearchParams(query)}`, { bearer }),
  /** @returns {Promise<AdminUser>} */
  user: (/** @type {string} */ id, view = "full") => call("GET", `/admin/users/${encodeURIComponent(id)}?view=${view}`, { bearer }),
  /** @returns {Promise<{items: Activity[], next?: string}>} */
  userActivity: (/** @type {string} */ id, after = "") =>
    call("GET", `/admin/users/${encodeURIComponent(id)}/activity${after && `?${new URLSearchParams({ after })}`}`, { bearer }),
  /** @returns {Promise<null>} */
  act: (/** @type {string} */ id, /** @type {string} */ action) => call("POST", `/admin/users/${encodeURIComponent(id)}/${action}`, { bearer }),
  /** @returns {Promise<null>} */
  setRole: (/** @type {string} */ id, /** @type {string} */ role) =>
    call("PUT", `/admin/users/${encodeURIComponent(id)}/role`, { bearer, body: { role } }),
  /** @returns {Promise<null>} */
  deleteUser: (/** @type {string} */ id) => call("DELETE", `/admin/users/${encodeURIComponent(id)}`, { bearer }),
});
