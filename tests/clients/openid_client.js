// openid-client signs a user in, refreshes, reads the user's claims, introspects, revokes and signs out. It checks every response, `iss` and
// the ID token by itself. oauth4webapi is the library below it, used directly.

import assert from "node:assert";

import * as oauth from "oauth4webapi";
import * as client from "openid-client";

const { ISSUER, ADMIN_KEY } = process.env;
const REDIRECT_URI = "https://shop.example/callback";
const AFTER_LOGOUT = "https://shop.example/bye";
const SCOPE = "openid profile email offline_access";

async function post(path, headers, body) {
  const answer = await fetch(`${ISSUER}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  assert.equal(answer.status, 201);
  return answer;
}

async function registerClient(kind) {
  const body = { name: "Shop", kind, redirect_uris: [REDIRECT_URI], post_logout_redirect_uris: [AFTER_LOGOUT] };
  return (await post("/v1/admin/clients", { authorization: `Bearer ${ADMIN_KEY}` }, body)).json();
}

/** A browser with a session: where the service sends it. */
async function newBrowser() {
  const email = `grace-${process.pid}-${Date.now()}@example.com`;
  const body = { name: "Grace Hopper", email, password: "correct horse battery staple" };
  const answer = await post("/v1/register/password", { "x-session": "cookie", origin: ISSUER }, body);
  const cookie = answer.headers.get("set-cookie").split(";")[0];
  const goesTo = async (url) => {
    const answer = await fetch(url, { redirect: "manual", headers: { cookie } });
    assert.equal(answer.status, 302);
    return new URL(answer.headers.get("location"));
  };
  return { email, user: (await answer.json()).user, goesTo };
}

async function withOpenidClient(kind, authentication) {
  const [browser, registered] = [await newBrowser(), await registerClient(kind)];
  const config = await client.discovery(
    new URL(ISSUER),
    registered.client_id,
    undefined,
    authentication(registered.client_secret),
    { execute: [client.allowInsecureRequests] },
  );
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()];
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT_URI,
    scope: SCOPE,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
    state: expectedState,
    nonce: expectedNonce,
    max_age: "3600",
  });
  const checks = { pkceCodeVerifier, expectedState, expectedNonce, maxAge: 3600, idTokenExpected: true };
  const back = await browser.goesTo(url);
  const tokens = await client.authorizationCodeGrant(config, back, checks);
  const { sub, email, acr } = tokens.claims();
  assert.deepEqual([sub, email, acr], [browser.user.id, browser.email, "aal1"]);
  const about = await client.fetchUserInfo(config, tokens.access_token, sub);
  assert.equal(about.name, "Grace Hopper");
  const next = await client.refreshTokenGrant(config, tokens.refresh_token);
  assert.equal(next.claims().sub, sub);
  if (registered.client_secret) {
    const seen = await client.tokenIntrospection(config, next.access_token);
    assert.deepEqual([seen.active, seen.client_id], [true, registered.client_id]);
  }
  await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), { error: "invalid_grant" });
  await assert.rejects(client.authorizationCodeGrant(config, back, checks), { error: "invalid_grant" });
  const silent = client.buildAuthorizationUrl(config, Object.fromEntries([...url.searchParams, ["prompt", "none"]]));
  const again = await client.authorizationCodeGrant(config, await browser.goesTo(silent), checks);
  await client.tokenRevocation(config, again.refresh_token);
  await assert.rejects(client.fetchUserInfo(config, again.access_token, sub));
  const logout = client.buildEndSessionUrl(config, {
    post_logout_redirect_uri: AFTER_LOGOUT,
    id_token_hint: again.id_token,
    state: "bye",
  });
  assert.equal(String(await browser.goesTo(logout)), `${AFTER_LOGOUT}?state=bye`);
  await assert.rejects(client.authorizationCodeGrant(config, await browser.goesTo(silent), checks), {
    error: "login_required",
  });
}

async function withOauth4webapi() {
  const [browser, registered] = [await newBrowser(), await registerClient("spa")];
  const insecure = { [oauth.allowInsecureRequests]: true };
  const issuer = new URL(ISSUER);
  for (const algorithm of ["oidc", "oauth2"]) {
    const found = await oauth.discoveryRequest(issuer, { algorithm, ...insecure });
    const server = await oauth.processDiscoveryResponse(issuer, found);
    const me = { client_id: registered.client_id };
    const verifier = oauth.generateRandomCodeVerifier();
    const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
    const url = new URL(server.authorization_endpoint);
    url.search = new URLSearchParams({
      client_id: me.client_id,
      redirect_uri: REDIRECT_URI,
      response_type: "code",
      scope: SCOPE,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      state,
      nonce,
    });
    const parameters = oauth.validateAuthResponse(server, me, await browser.goesTo(url), state);
    const answer = await oauth.authorizationCodeGrantRequest(
      server,
      me,
      oauth.None(),
      parameters,
      REDIRECT_URI,
      verifier,
      insecure,
    );
    const tokens = await oauth.processAuthorizationCodeResponse(server, me, answer, {
      expectedNonce: nonce,
      requireIdToken: true,
    });
    await oauth.validateApplicationLevelSignature(server, answer, insecure);
    const claims = oauth.getValidatedIdTokenClaims(tokens);
    const about = await oauth.userInfoRequest(server, me, tokens.access_token, insecure);
    assert.equal((await oauth.processUserInfoResponse(server, me, claims.sub, about)).email, browser.email);
    // An API that takes the access token as RFC 9068 says.
    const request = new Request("https://api.example", { headers: { authorization: `Bearer ${tokens.access_token}` } });
    const checked = await oauth.validateJwtAccessToken(server, request, "twostep", insecure);
    assert.deepEqual([checked.sub, checked.client_id], [browser.user.id, me.client_id]);
  }
}

await withOpenidClient("web", client.ClientSecretBasic);
await withOpenidClient("web", client.ClientSecretPost);
await withOpenidClient("spa", client.None);
await withOauth4webapi();
console.log("openid-client is content");
