"""Authlib signs a user in, refreshes, reads the user's claims, revokes and signs out. PyJWT checks the tokens."""

import hashlib
from base64 import urlsafe_b64encode

import jwt
import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from website import AFTER_LOGOUT, ISSUER, REDIRECT_URI, Browser, register_client

METADATA = requests.get(f"{ISSUER}/.well-known/openid-configuration", timeout=30).json()
KEYS = jwt.PyJWKClient(METADATA["jwks_uri"])


def decode(token, audience):
    required = ["iss", "sub", "aud", "exp", "iat", "auth_time"]
    key = KEYS.get_signing_key_from_jwt(token).key
    return jwt.decode(token, key, ["RS256"], audience=audience, issuer=ISSUER, options={"require": required})


def try_client(kind, method):
    browser = Browser()
    client_id, secret = register_client(kind)
    session = OAuth2Session(
        client_id,
        secret,
        token_endpoint_auth_method=method,
        scope="openid profile email offline_access",
        redirect_uri=REDIRECT_URI,
        code_challenge_method="S256",
    )
    verifier, nonce = generate_token(48), generate_token(20)
    url, state = session.create_authorization_url(
        METADATA["authorization_endpoint"], code_verifier=verifier, nonce=nonce
    )
    back = browser.goes_to(url)
    token = session.fetch_token(
        METADATA["token_endpoint"], authorization_response=back, state=state, code_verifier=verifier
    )
    claims = decode(token["id_token"], client_id)
    half = hashlib.sha256(token["access_token"].encode()).digest()[:16]
    assert claims["at_hash"] == urlsafe_b64encode(half).decode().rstrip("="), claims
    assert (claims["sub"], claims["nonce"], claims["email"]) == (browser.user["id"], nonce, browser.email), claims
    access = decode(token["access_token"], "twostep")
    assert (access["client_id"], access["scope"]) == (client_id, "openid profile email offline_access"), access

    about = session.get(METADATA["userinfo_endpoint"]).json()
    assert (about["sub"], about["name"]) == (browser.user["id"], "Ada Lovelace"), about
    used = token["refresh_token"]
    token = session.refresh_token(METADATA["token_endpoint"])
    assert token["refresh_token"] != used
    assert decode(token["id_token"], client_id)["sub"] == browser.user["id"]
    if secret:
        seen = session.introspect_token(METADATA["introspection_endpoint"], token["access_token"]).json()
        assert seen["active"] and seen["client_id"] == client_id, seen

    # The same code and the used refresh token are worth nothing; an error is one that the library knows.
    for attempt in (
        lambda: session.fetch_token(METADATA["token_endpoint"], authorization_response=back, code_verifier=verifier),
        lambda: session.refresh_token(METADATA["token_endpoint"], refresh_token=used),
    ):
        try:
            attempt()
        except OAuthError as error:
            assert error.error == "invalid_grant", error
        else:
            raise AssertionError("it was accepted twice")

    # Sign in again, silently, and sign out.
    url, state = session.create_authorization_url(
        METADATA["authorization_endpoint"], code_verifier=verifier, prompt="none"
    )
    token = session.fetch_token(
        METADATA["token_endpoint"], authorization_response=browser.goes_to(url), state=state, code_verifier=verifier
    )
    session.revoke_token(METADATA["revocation_endpoint"], token["refresh_token"], "refresh_token").raise_for_status()
    assert session.get(METADATA["userinfo_endpoint"]).status_code == 401
    parameters = {"id_token_hint": token["id_token"], "post_logout_redirect_uri": AFTER_LOGOUT, "state": "bye"}
    logout = requests.Request("GET", METADATA["end_session_endpoint"], params=parameters).prepare().url
    assert browser.goes_to(logout) == f"{AFTER_LOGOUT}?state=bye"
    back = browser.goes_to(url)
    assert "error=login_required" in back, back


try_client("web", "client_secret_basic")
try_client("web", "client_secret_post")
try_client("spa", "none")
try_client("native", "none")
print("Authlib is content")
