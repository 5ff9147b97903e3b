// A page without a server that signs its users in with TwoStep and calls an API for them.
//
// Tokens stay in memory, where no other page and no later visitor of this browser finds them. After a reload the page gets new ones from
// TwoStep, which knows the user by a cookie of its own.

import * as oauth from "./node_modules/oauth4webapi/build/index.js";
import { clientId, issuer } from "./config.js";

const SCOPE = "openid profile email offline_access";
const client = { client_id: clientId };
const here = location.origin + location.pathname;
// http is for a TwoStep on this machine only.
const options = { [oauth.allowInsecureRequests]: issuer.startsWith("http://localhost:") };

/** @type {{ accessToken: string, expiresAt: number, refreshToken: string, idToken: string, user: oauth.IDToken } | undefined} */
let session;

const issuerUrl = new URL(issuer);
const server = await oauth.processDiscoveryResponse(issuerUrl, await oauth.discoveryRequest(issuerUrl, options));

/** Goes to TwoStep. With `prompt` "none", it comes back at once, signed in or not. */
async function signIn(prompt) {
  const request = {
    verifier: oauth.generateRandomCodeVerifier(),
    state: oauth.generateRandomState(),
    nonce: oauth.generateRandomNonce(),
  };
  sessionStorage.setItem("request", JSON.stringify(request));
  const url = new URL(server.authorization_endpoint);
  url.search = new URLSearchParams({
    response_type: "code",
    client_id: clientId,
    redirect_uri: here,
    scope: SCOPE,
    state: request.state,
    nonce: request.nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(request.verifier),
    code_challenge_method: "S256",
    ...(prompt && { prompt }),
  });
  // The back button returns here from a sign-in, but not from a question that the user didn't see.
  if (prompt === "none") location.replace(url);
  else location.assign(url);
}

/** Exchanges the code in the address that TwoStep sent the browser back to. */
async function comeBack(address) {
  const { verifier, state, nonce } = JSON.parse(sessionStorage.getItem("request"));
  sessionStorage.removeItem("request");
  const parameters = oauth.validateAuthResponse(server, client, address, state);
  const answer = await oauth.authorizationCodeGrantRequest(server, client, oauth.None(), parameters, here, verifier, options);
  const checks = { expectedNonce: nonce, requireIdToken: true };
  keep(await oauth.processAuthorizationCodeResponse(server, client, answer, checks));
}

function keep(tokens) {
  session = {
    accessToken: tokens.access_token,
    expiresAt: Date.now() + tokens.expires_in * 1000,
    refreshToken: tokens.refresh_token,
    idToken: tokens.id_token,
    user: oauth.getValidatedIdTokenClaims(tokens),
  };
  sessionStorage.setItem("signed-in", "yes");
}

let refreshing;

/** An access token with at least half a minute left. A refresh token works once, so that calls at the same time share one refresh. */
async function accessToken() {
  if (session.expiresAt - Date.now() < 30_000) {
    refreshing ??= refresh().finally(() => (refreshing = undefined));
    await refreshing;
  }
  return session.accessToken;
}

async function refresh() {
  const answer = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), session.refreshToken, options);
  keep(await oauth.processRefreshTokenResponse(server, client, answer));
}

/** Calls an API: here TwoStep's userinfo. Your own API takes the same token. */
async function readAccount() {
  const { user } = session;
  const answer = await oauth.userInfoRequest(server, client, await accessToken(), options);
  return oauth.processUserInfoResponse(server, client, user.sub, answer);
}

function signOut() {
  const url = new URL(server.end_session_endpoint);
  url.search = new URLSearchParams({ id_token_hint: session.idToken, post_logout_redirect_uri: here });
  forget();
  location.replace(url);
}

function forget() {
  session = undefined;
  sessionStorage.clear();
}

const element = (id) => document.getElementById(id);

function show(words) {
  element("status").textContent = words ?? (session ? `Hello, ${session.user.name}.` : "You are not signed in.");
  element("signed-in").hidden = !session;
  element("signed-out").hidden = Boolean(session);
}

element("sign-in").addEventListener("click", () => signIn());
element("sign-out").addEventListener("click", signOut);
element("read").addEventListener("click", async () => {
  try {
    element("account").textContent = JSON.stringify(await readAccount(), null, 2);
  } catch (error) {
    // The session at TwoStep has ended, for example because the user signed out on another site.
    if (error.error !== "invalid_grant" && !(error instanceof oauth.WWWAuthenticateChallengeError)) throw error;
    forget();
    show("Your session has ended. Sign in again.");
  }
});

const address = new URL(location);
const isBack = ["code", "error"].some((name) => address.searchParams.has(name));
// A code works once, so that neither a reload nor a bookmark should have it.
if (isBack) history.replaceState(null, "", here);
if (isBack && sessionStorage.getItem("request")) {
  try {
    await comeBack(address);
    show();
  } catch (error) {
    forget();
    show(error.error === "login_required" ? undefined : `The sign-in failed: ${error.error ?? error.message}`);
  }
} else if (sessionStorage.getItem("signed-in")) {
  await signIn("none");
} else {
  show();
}
