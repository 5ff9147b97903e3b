"""`examples/spa-oidc`: a static page on another origin signs its users in, calls an API and refreshes, without a secret."""

import json
import threading
from datetime import datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import expect

from conftest import only
from stack import ROOT


class Files(SimpleHTTPRequestHandler):
    """The example's files as they are, except for its configuration."""

    configuration = ""

    def do_GET(self):
        if self.path != "/config.js":
            return super().do_GET()
        body = self.configuration.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def shop(stack, person):
    body = {"name": "Shop", "kind": "spa", "redirect_uris": [f"{stack.shop}/"], "post_logout_redirect_uris": [f"{stack.shop}/"]}
    headers = {"Authorization": f"Bearer {stack.admin_key}", "Content-Type": "application/json"}
    client = json.load(urlopen(Request(f"{stack.site}/v1/admin/clients", json.dumps(body).encode(), headers)))
    assert "client_secret" not in client
    settings = {"issuer": stack.site, "clientId": client["client_id"]}
    Files.configuration = "".join(f"export const {name} = {json.dumps(value)};\n" for name, value in settings.items())
    server = ThreadingHTTPServer(("127.0.0.1", stack.shop_port), partial(Files, directory=ROOT / "examples/spa-oidc"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    person.friends.add(stack.shop)
    yield f"{stack.shop}/"
    server.shutdown()
    server.server_close()


@only("English, wide")
def test_a_static_page_on_another_origin_signs_its_users_in(person, shop):
    page, site = person.page, person.origin
    calls = []
    person.context.on("response", lambda answer: calls.append((answer.request.method, answer.url.removeprefix(site), answer.status)))

    def reads_the_account():
        page.locator("#account").evaluate("element => element.textContent = ''")
        page.locator("#read").click()
        expect(page.locator("#account")).to_contain_text(person.email)

    # The page compares the browser's time with that of the tokens.
    if not person.clock.ahead:
        page.clock.install(time=datetime.now())

    # The user registers on the way.
    page.goto(shop)
    expect(page.locator("#status")).to_have_text("You are not signed in.")
    page.locator("#sign-in").click()
    person.at("login")
    page.go_back()
    page.locator("#sign-in").click()
    person.at("login")
    person.locator("p.other a").click()
    person.at("register")
    person.ask_for_a_code(person.phone)
    person.enter(person.inbox.code(person.phone))
    person.at("name")
    person.locator("#name").fill("Ada Lovelace")
    person.locator("#email").fill(person.email)
    person.locator("#name-submit").click()
    page.wait_for_url(shop)
    expect(page.locator("#status")).to_have_text("Hello, Ada Lovelace.")
    reads_the_account()
    assert calls.count(("POST", "/oauth/token", 200)) == 1, calls

    # Nothing that is worth anything stays in the browser.
    stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert stored == '[{},{"signed-in":"yes"},""]'

    # After ten minutes the access token has expired. Several calls at the same time share one refresh.
    person.advance(601)
    page.locator("#read").dblclick()
    expect(page.locator("#account")).to_contain_text(person.email)
    reads_the_account()
    assert calls.count(("POST", "/oauth/token", 200)) == 2, calls
    assert all(status < 400 for *_, status in calls), calls

    # A reload gets new tokens without asking the user.
    page.reload()
    expect(page.locator("#status")).to_have_text("Hello, Ada Lovelace.")
    reads_the_account()
    assert calls.count(("POST", "/oauth/token", 200)) == 3, calls

    # The page notices that the session has ended elsewhere.
    other = person.context.new_page()
    other.goto(f"{site}/profile")
    other.locator("#sign-out").click()
    expect(other.locator('main[data-page="home"]')).to_be_attached()
    other.close()
    person.expected.update({400, 401})
    person.advance(601)
    page.locator("#read").click()
    expect(page.locator("#status")).to_have_text("Your session has ended. Sign in again.")
    page.reload()
    expect(page.locator("#status")).to_have_text("You are not signed in.")

    # A sign-out ends the session at TwoStep too.
    page.locator("#sign-in").click()
    person.at("login")
    person.ask_for_a_code(person.phone)
    person.enter(person.inbox.code(person.phone, 2))
    expect(page.locator("#status")).to_have_text("Hello, Ada Lovelace.")
    page.locator("#sign-out").click()
    expect(page.locator("#status")).to_have_text("You are not signed in.")
    assert page.url == shop
    page.locator("#sign-in").click()
    person.at("login")
