// @ts-check
// The client of the HTTP API (see /docs): one function per route. Refresh and device tokens stay in cookies that scripts can't read; the
// caller passes the access token.

/** @typedef {{id: string, name: string, email: string, email_verified: boolean, phone: string | null, two_step: boolean, created_at: string}} User */
/** @typedef {{outcome: "signed_in", access_token: string, expires_in: number, user: User}} Session */
/** @typedef {"register" | "login" | "second_step" | "profile"} Purpose */
/** @typedef {"pending" | "sent" | "delivered" | "failed" | "unknown"} Delivery */
/** @typedef {{challenge_id: string, purpose: Purpose, phone_hint: string, code_length: number, expires_at: string, resend_at: string, delivery: Delivery, failure?: string}} Challenge */
/** @typedef {{outcome: "phone_verified", registration_token: string, expires_in: number}} Verified */
/** @typedef {{outcome: "phone_verified", user: User, recovery_codes?: string[]}} PhoneSet */
/** @typedef {{id: string, name: string, created_at: string, last_used_at: string, expires_at: string}} Device */
/** @typedef {{name: string, host: string, two_step_enabled: boolean, phone_enabled: boolean, allowed_countries: string[], languages: string[]}} Site */
/** @typedef {{configured: boolean, api: "rest" | "one", from: string | null, key_hint: string | null, updated_at: string | null}} Clickatell */
/** @typedef {{two_step_enabled: boolean, site_name: string, site_host: string, phone_login_for_password_accounts: boolean, allowed_countries: string[], clickatell: Clickatell} & Money} Settings */
/** @typedef {{messages: number | null, spend: number | null}} Allowance */
/** @typedef {{hour: Allowance, day: Allowance, month: Allowance}} Budget */
/** @typedef {{all: Budget, country: Budget, countries: Record<string, Budget>}} Budgets */
/** @typedef {{currency: string, default: number, countries: Record<string, number>}} Prices */
/** @typedef {{address_hour: number, address_day: number, prefix_hour: number, number_day: number}} Limits */
/** @typedef {{budgets: Budgets, prices: Prices, limits: Limits, breaker: {mode: "enforce" | "record_only", floor: number, share_percent: number}}} Money */
/** @typedef {{sent: number, delivered: number, failed: Record<string, number>, verified: number, sign_ins: number, spent: number, cost_per_sign_in: number | null}} Figures */
/** @typedef {{step: "normal" | "proven_numbers_only" | "closed", cause: string, since: string, until: string}} Tripped */
/** @typedef {{mode: "enforce" | "record_only", countries: Record<string, Tripped>, prefixes: Record<string, Tripped>} & Pick<Tripped, "step"> & Partial<Tripped>} Breaker */
/** @typedef {{currency: string, total: Figures, days: ({day: string, country: string} & Figures)[], breaker: Breaker}} Usage */

/** An error response (RFC 9457). The code `offline` means that there was no response. */
export class Problem extends Error {
  /** @param {{code?: string, status?: number, field?: string, detail?: string, attempts_left?: number, retry_after?: number}} body */
  constructor(body) {
    super(body.code ?? "unknown");
    this.code = body.code ?? "unknown";
    this.status = body.status ?? 0;
    this.field = body.field;
    this.detail = body.detail ?? "";
    this.attemptsLeft = body.attempts_left;
    this.retryAfter = body.retry_after ?? 0;
  }
}

/** Milliseconds by which the server's clock is ahead of this machine's. All times of the API are the server's. */
export let clockAhead = 0;

/**
 * @param {string} method
 * @param {string} path below `/v1`
 * @param {{body?: object, bearer?: string, cookie?: boolean, keepalive?: boolean}} [options]
 * @returns {Promise<any>}
 */
async function call(method, path, { body, bearer, cookie, keepalive } = {}) {
  /** @type {Record<string, string>} */
  const headers = { accept: "application/json", "accept-language": document.documentElement.lang };
  if (body) headers["content-type"] = "application/json";
  if (bearer) headers.authorization = `Bearer ${bearer}`;
  if (cookie) headers["x-session"] = "cookie";
  const request = { method, headers, keepalive, body: body && JSON.stringify(body) };
  const send = () =>
    fetch(`/v1${path}`, request).catch(() => {
      throw new Problem({ code: "offline" });
    });
  // Requests that set cookies run one at a time across tabs, so that a late response can't overwrite the cookies of a newer sign-in.
  const answer = await (cookie ? navigator.locks.request("cookies", send) : send());
  const date = Date.parse(answer.headers.get("date") ?? "");
  if (date) clockAhead = Math.abs(date - Date.now()) < 2000 ? 0 : date - Date.now();
  if (answer.status === 204) return null;
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem({ status: answer.status, ...content });
  return content;
}

/** @returns {Promise<Site>} */
export const site = () => call("GET", "/site");

/** @returns {Promise<Challenge>} */
export const registerPhone = (/** @type {string} */ phone) => call("POST", "/register/phone", { body: { phone } });

/** @returns {Promise<Session>} */
export const registerComplete = (/** @type {{registration_token: string, name: string, email: string}} */ body) =>
  call("POST", "/register/complete", { body, cookie: true });

/** @returns {Promise<Session>} */
export const registerPassword = (/** @type {{name: string, email: string, password: string}} */ body) =>
  call("POST", "/register/password", { body, cookie: true });

/** @returns {Promise<Challenge>} */
export const loginPhone = (/** @type {string} */ phone) => call("POST", "/login/phone", { body: { phone } });

/** @returns {Promise<Session | Challenge>} */
export const loginPassword = (/** @type {{email: string, password: string}} */ body) =>
  call("POST", "/login/password", { body, cookie: true });

/** @returns {Promise<Session | Verified | PhoneSet>} */
export const verify = (
  /** @type {string} */ id,
  /** @type {{code?: string, recovery_code?: string, remember_device?: boolean}} */ body,
) => call("POST", `/codes/${encodeURIComponent(id)}/verify`, { body, cookie: true });

/** @returns {Promise<Challenge>} */
export const resend = (/** @type {string} */ id) => call("POST", `/codes/${encodeURIComponent(id)}/resend`);

/** @returns {Promise<Challenge>} */
export const challenge = (/** @type {string} */ id) => call("GET", `/codes/${encodeURIComponent(id)}`);

// `keepalive` completes the request if the user leaves the page. Otherwise, the browser would keep a refresh token that is used up.
/** @returns {Promise<Session>} */
export const refresh = () => call("POST", "/session/refresh", { cookie: true, keepalive: true });

/** @returns {Promise<null>} */
export const logout = () => call("POST", "/session/logout", { cookie: true, keepalive: true });

/** The routes that need an access token. @param {string} bearer */
export const account = (bearer) => ({
  /** @returns {Promise<User>} */
  profile: () => call("GET", "/profile", { bearer }),
  /** @returns {Promise<User>} */
  change: (/** @type {{name?: string, email?: string}} */ body) => call("PATCH", "/profile", { bearer, body }),
  /** @returns {Promise<Challenge>} */
  setPhone: (/** @type {string} */ phone) => call("PUT", "/profile/phone", { bearer, body: { phone } }),
  /** @returns {Promise<null>} */
  removePhone: () => call("DELETE", "/profile/phone", { bearer }),
  /** @returns {Promise<null>} */
  setPassword: (/** @type {{current_password?: string, new_password: string}} */ body) =>
    call("PUT", "/profile/password", { bearer, body }),
  /** @returns {Promise<{recovery_codes: string[]}>} */
  newRecoveryCodes: () => call("POST", "/profile/recovery-codes", { bearer }),
  /** @returns {Promise<Device[]>} */
  devices: () => call("GET", "/profile/devices", { bearer }),
  /** @returns {Promise<null>} */
  removeDevice: (/** @type {string} */ id) => call("DELETE", `/profile/devices/${encodeURIComponent(id)}`, { bearer }),
});

/** The routes that need the admin key. @param {string} bearer */
export const admin = (bearer) => ({
  /** @returns {Promise<Settings>} */
  settings: () => call("GET", "/settings", { bearer }),
  /** @returns {Promise<Settings>} */
  change: (/** @type {object} */ body) => call("PUT", "/settings", { bearer, body }),
  /** @returns {Promise<Usage>} */
  usage: () => call("GET", "/settings/usage", { bearer }),
  /** @returns {Promise<{delivery: "sent", message_id: string}>} */
  testSms: (/** @type {string} */ phone) => call("POST", "/settings/test-sms", { bearer, body: { phone } }),
});
