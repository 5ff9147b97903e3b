"""A site that signs its users in with TwoStep: OpenID Connect with Authlib, and a session on the server."""

import os
import secrets
from urllib.parse import urlencode

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, redirect, render_template_string, session, url_for

ISSUER = os.environ.get("ISSUER", "http://localhost:9000")

app = Flask(__name__)
# Signs the cookie that holds the session's ID.
app.secret_key = os.environ.get("SECRET_KEY") or secrets.token_hex(32)
app.config.update(SESSION_COOKIE_NAME="shop", SESSION_COOKIE_SAMESITE="Lax")
twostep = OAuth(app).register(
    "twostep",
    client_id=os.environ["CLIENT_ID"],
    client_secret=os.environ["CLIENT_SECRET"],
    server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
)

# Who is signed in, by session ID. A real site keeps this in its database.
SESSIONS = {}

PAGE = """<!doctype html><html lang="en"><title>Shop</title><h1>Shop</h1>
{% if user %}<p>Hello, {{ user.name }} ({{ user.email }}).</p>
<form method="post" action="/logout"><button>Sign out</button></form>
{% else %}<p><a href="/login">Sign in</a></p>{% endif %}</html>"""


@app.get("/")
def home():
    return render_template_string(PAGE, user=SESSIONS.get(session.get("id")))


@app.get("/login")
def login():
    return twostep.authorize_redirect(url_for("callback", _external=True))


@app.get("/callback")
def callback():
    try:
        # Checks `state`, exchanges the code, and checks the ID token.
        token = twostep.authorize_access_token()
    except OAuthError as error:
        return f"The sign-in failed: {error.error}", 400
    claims = token["userinfo"]
    # The key of a user is `sub`: email addresses and phone numbers can change.
    user = {"sub": claims["sub"], "name": claims["name"], "email": claims["email"], "id_token": token["id_token"]}
    session.clear()
    session["id"] = secrets.token_urlsafe(32)
    SESSIONS[session["id"]] = user
    return redirect(url_for("home"))


@app.post("/logout")
def logout():
    user = SESSIONS.pop(session.pop("id", None), None)
    if not user:
        return redirect(url_for("home"))
    query = {"id_token_hint": user["id_token"], "post_logout_redirect_uri": url_for("home", _external=True)}
    return redirect(f"{twostep.load_server_metadata()['end_session_endpoint']}?{urlencode(query)}")
