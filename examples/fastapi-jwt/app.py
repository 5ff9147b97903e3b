"""An API that takes TwoStep's access tokens. It checks them with the published keys, without asking TwoStep for each request."""

import json
import os
from functools import cache
from typing import Annotated
from urllib.request import urlopen

import jwt
from fastapi import Depends, FastAPI, HTTPException, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

ISSUER = os.environ.get("ISSUER", "http://localhost:9000")
# The deployment's parameter `Audience`.
AUDIENCE = os.environ.get("AUDIENCE", "twostep")

app = FastAPI()


@cache
def keys():
    """The issuer's keys, which are read again after five minutes and when a token names an unknown one."""
    # Discovery starts at the issuer that the API was told, not at one that a token names.
    with urlopen(f"{ISSUER}/.well-known/openid-configuration", timeout=5) as document:
        return jwt.PyJWKClient(json.load(document)["jwks_uri"], timeout=5)


def refusal(status, error):
    return HTTPException(status, error, {"WWW-Authenticate": f'Bearer error="{error}"'})


def claims(
    needed: SecurityScopes,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))],
):
    """The claims of a token that is good for the scopes that a route needs."""
    if bearer is None:
        raise HTTPException(401, "a token is needed", {"WWW-Authenticate": "Bearer"})
    token = bearer.credentials
    try:
        # An ID token says who signed in; only an access token opens an API.
        if jwt.get_unverified_header(token).get("typ") != "at+jwt":
            raise jwt.InvalidTokenError("not an access token")
        found = jwt.decode(
            token,
            keys().get_signing_key_from_jwt(token).key,
            algorithms=["RS256"],
            issuer=ISSUER,
            audience=AUDIENCE,
            # Clocks differ by a few seconds.
            leeway=10,
            options={"require": ["iss", "aud", "sub", "exp", "iat", "scope"]},
        )
    except (OSError, jwt.PyJWKClientConnectionError) as error:
        raise HTTPException(503, "the keys can't be read") from error
    except jwt.PyJWTError as error:
        raise refusal(401, "invalid_token") from error
    if not set(needed.scopes) <= set(found["scope"].split()):
        raise refusal(403, "insufficient_scope")
    return found


@app.get("/orders")
def orders(user: Annotated[dict, Security(claims, scopes=["profile"])]):
    # The key of a user is `sub`.
    return {"user": user["sub"], "orders": []}
