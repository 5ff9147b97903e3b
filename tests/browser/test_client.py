"""Sign-in to a client on another site, through the pages and back."""

import base64
import hashlib
import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import expect

from people import PASSWORD


class Website:
    """A website on another site (127.0.0.1 instead of localhost) that signs its users in through the service."""

    def __init__(self, stack):
        self.issuer = stack.site
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self._server.website = self
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        body = {"name": "Shop", "kind": "spa", "redirect_uris": [f"{self.origin}/callback"]}
        body["post_logout_redirect_uris"] = [f"{self.origin}/bye"]
        headers = {"Authorization": f"Bearer {stack.admin_key}", "Content-Type": "application/json"}
        request = Request(f"{self.issuer}/v1/admin/clients", json.dumps(body).encode(), headers)
        self.client_id = json.load(urlopen(request))["client_id"]

    def close(self):
        self._server.shutdown()

    def start(self, parameters):
        """The address of an authorization request with these parameters."""
        self.verifier, self.state = secrets.token_urlsafe(32), secrets.token_urlsafe(16)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": f"{self.origin}/callback",
            "scope": "openid email phone",
            "state": self.state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **parameters,
        }
        return f"{self.issuer}/oauth/authorize?{urlencode(query)}"

    def claims(self, address):
        """Exchanges the code in the address of the callback and returns the ID token's claims."""
        answer = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert (answer["state"], answer["iss"]) == (self.state, self.issuer), answer
        form = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "redirect_uri": f"{self.origin}/callback",
            "code_verifier": self.verifier,
            "client_id": self.client_id,
        }
        self.tokens = json.load(urlopen(f"{self.issuer}/oauth/token", urlencode(form).encode()))
        body = self.tokens["id_token"].split(".")[1]
        return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


class _Handler(BaseHTTPRequestHandler):
    """The website's pages: a link to sign in, and what comes back."""

    def do_GET(self):
        path, website = urlsplit(self.path), self.server.website
        parameters = {name: values[0] for name, values in parse_qs(path.query).items()}
        body = ""
        if path.path == "/":
            body = f'<a id="sign-in" href="{website.start(parameters).replace("&", "&amp;")}">Sign in</a>'
        icon = '<link rel="icon" href="data:,">'
        page = f'<!doctype html><html lang="en"><title>Shop</title>{icon}<h1>{path.path}</h1>{body}</html>'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_):
        pass


@pytest.fixture
def website(stack, person):
    website = Website(stack)
    person.friends.add(website.origin)
    yield website
    website.close()


def visit(person, website, **parameters):
    """Follows the website's link to sign in."""
    person.page.goto(f"{website.origin}/?{urlencode(parameters)}")
    person.locator("#sign-in").click()


def came_back(person, website):
    """Waits for the website's callback and returns the claims."""
    person.page.wait_for_url(f"{website.origin}/callback?**")
    return website.claims(person.page.url)


def test_register_on_the_way_to_a_client_and_come_back_at_once(person, website):
    visit(person, website)
    person.at("login")
    person.locator("p.other a").click()
    person.at("register")
    person.ask_for_a_code(person.phone)
    person.page.reload()
    person.at("code")
    person.page.go_back()
    person.at("register")
    person.page.go_forward()
    person.at("code")
    person.enter(person.inbox.code(person.phone))
    person.at("name")
    person.locator("#name").fill("Ada Lovelace")
    person.locator("#email").fill(person.email)
    person.locator("#name-submit").click()
    claims = came_back(person, website)
    assert (claims["email"], claims["phone_number"], claims["acr"]) == (person.email, person.phone.e164, "aal1")

    # The session is known now, although the link is on another site.
    visit(person, website, prompt="none")
    assert came_back(person, website)["sub"] == claims["sub"]

    # A sign-out returns to the website, and the next visit asks again.
    query = {"id_token_hint": website.tokens["id_token"], "post_logout_redirect_uri": f"{website.origin}/bye"}
    person.open(f"/oauth/logout?{urlencode(query)}")
    person.page.wait_for_url(f"{website.origin}/bye")
    visit(person, website, prompt="none")
    person.page.wait_for_url(f"{website.origin}/callback?error=login_required&**")
    visit(person, website)
    person.at("login")


def test_a_client_chooses_the_language_and_the_user_changes_it(person, website):
    other = "es" if person.language == "en" else "en"
    visit(person, website, ui_locales=other, login_hint=person.email)
    expect(person.locator("html")).to_have_attribute("lang", other)
    expect(person.locator("#email")).to_have_value(person.email)
    person.locator("#language").select_option(person.language)
    person.at("login")
    expect(person.locator("#email")).to_have_value(person.email)
    # Another tab goes on with the same request.
    address = person.page.url
    person.open("/register#email")
    person.at("register")
    person.locator("#name").fill("Grace Hopper")
    person.locator("#email").fill(person.email)
    person.locator("#password").fill(PASSWORD)
    person.locator("#password-submit").click()
    person.at("profile")
    person.sign_out()
    person.page.goto(address)
    person.at("login")
    person.locator("#password").fill(PASSWORD)
    person.locator("#password-submit").click()
    assert came_back(person, website)["amr"] == ["pwd"]


def test_a_client_asks_for_a_new_sign_in_and_for_two_steps(person, website):
    person.register_by_phone()
    visit(person, website, prompt="login")
    person.at("login")
    expect(person.locator("#reauth-note")).to_be_visible()
    person.ask_for_a_code(person.phone)
    person.enter(person.inbox.code(person.phone, 2))
    first = came_back(person, website)

    # The account has no password, so two steps begin in the profile.
    visit(person, website, acr_values="aal2")
    person.at("profile")
    expect(person.locator("#two-step-note")).to_be_visible()
    person.look("profile before two steps")
    person.locator("#new-password").fill(PASSWORD)
    person.locator("#new-password-submit").click()
    person.at("login")
    expect(person.locator("#two-step-note")).to_be_visible()
    person.look("login with two steps")
    person.locator("#email").fill(person.email)
    person.locator("#password").fill(PASSWORD)
    person.locator("#password-submit").click()
    person.at("code")
    person.enter(person.inbox.code(person.phone, 3))
    claims = came_back(person, website)
    assert (claims["acr"], claims["amr"], claims["sub"]) == ("aal2", ["pwd", "sms", "mfa"], first["sub"])


def test_an_account_with_a_password_adds_a_phone_for_a_client(person, website):
    person.register_with_password()
    visit(person, website, acr_values="aal2")
    person.at("profile")
    person.locator("#change-phone").click()
    person.ask_for_a_code(person.phone)
    person.enter(person.inbox.code(person.phone))
    expect(person.locator("#recovery-codes li")).to_have_count(10)
    person.locator("#codes-saved").click()
    assert came_back(person, website)["acr"] == "aal2"


def test_a_link_that_a_client_got_wrong_ends_on_a_page(person, website):
    person.expected.add(400)
    website.client_id = "unknown"
    visit(person, website)
    expect(person.locator("h1")).to_be_visible()
    expect(person.locator("html")).to_have_attribute("lang", person.language)
    person.look("unknown client")
    assert urlsplit(person.page.url).path == "/oauth/authorize"
