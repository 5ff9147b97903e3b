"""The users of the tests: a person with a language, a window width, a phone number and an inbox."""

import json
import re
import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from importlib.resources import files
from itertools import count
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import Request, urlopen

import pyotp
from playwright.sync_api import expect

from stack import ROOT, RUN

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
LOCALES = {"en": "en-US", "es": "es-ES", "ar": "ar-EG"}
PASSWORD = "correct horse battery staple"
NEW_PASSWORD = "another horse battery staple"

LOOKS = ROOT / "target" / "browser" / "looks" / RUN

_number = count(1)


class Phone:
    """A mobile number that no other test uses, in national and in international format."""

    def __init__(self, language):
        number = next(_number)
        if language == "es":
            self.written, self.e164 = f"612 {number // 1000:03} {number % 1000:03}", f"+34612{number:06}"
        elif language == "ar":
            self.written, self.e164 = f"0100 200 {number:04}", f"+20100200{number:04}"
        else:
            self.written, self.e164 = f"(415) 200-{number:04}", f"+1415200{number:04}"


def fresh_email():
    return f"ada{next(_number)}@example.com"


class Page:
    """A window that must not contact other origins or log errors."""

    def __init__(self, browser, origin, language="en", width=1280):
        self.origin = origin
        self.language = language
        self.width = width
        self.complaints = []
        self.expected = set()
        # Other origins that a test sends the browser to.
        self.friends = set()
        self.context = browser.new_context(
            locale=LOCALES[language],
            viewport={"width": width, "height": 900},
            reduced_motion="reduce",
        )
        self.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=origin)
        self.context.on("request", self._watch_request)
        self.context.on("response", self._watch_response)
        self.context.on("console", self._watch_console)
        self.context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        self.page = self.context.new_page()

    def close(self):
        # Requests that the page doesn't wait for can be under way.
        self.context.unroute_all(behavior="ignoreErrors")
        self.context.close()
        assert not self.complaints, self.complaints

    def _watch_request(self, request):
        url = urlsplit(request.url)
        if url.scheme not in ("data", "blob") and f"{url.scheme}://{url.netloc}" not in {self.origin, *self.friends}:
            self.complaints.append(f"a request to another origin: {request.url}")

    def _watch_response(self, response):
        if response.status in self.expected:
            return
        if response.status >= 500 or (response.status >= 400 and "/v1/" not in response.url):
            self.complaints.append(f"{response.status} {response.url}")

    def _watch_console(self, message):
        # Chromium logs every error response of the API. Pages handle them.
        expected = "/v1/" in message.location["url"] or any(f"status of {code} " in message.text for code in self.expected)
        refused = message.text.startswith("Failed to load resource") and expected
        if message.type in ("error", "warning") and not refused:
            self.complaints.append(message.text)


class Person(Page):
    """A user of the site's pages."""

    def __init__(self, browser, stack, language, width):
        super().__init__(browser, stack.site, language, width)
        self.clock = stack.clock
        self.inbox = Inbox(stack.sandbox, self.page)
        self.phone = Phone(language)
        self.email = fresh_email()
        texts = json.loads((ROOT / f"functions/web/texts/{language}.json").read_text())
        self.texts = texts["messages"]
        for own in texts["messages_of"].values():
            assert self.texts.keys().isdisjoint(own), "a key means the same on every page"
            self.texts |= own
        self.sms = texts["sms"]
        self.dates_follow = False
        if self.clock.ahead:
            self.follow_the_clock()

    def locator(self, selector):
        return self.page.locator(selector)

    def open(self, path):
        self.page.goto(self.origin + path)

    def load(self, path, name):
        """Loads a new document, which a change of the hash alone doesn't, and waits until it is ready."""
        self.page.goto("about:blank")
        self.open(path)
        self._is_ready(name)

    def at(self, name, view=None):
        """Waits until the page is ready, and checks how it looks. `view` names what a page of several views shows."""
        self._is_ready(name)
        expect(self.locator("h1:visible")).to_have_count(1)
        expect(self.locator("html")).to_have_attribute("lang", self.language)
        self.look(view or name)

    def _is_ready(self, name):
        expect(self.locator(f'main[data-page="{name}"][data-ready]')).to_be_attached()

    def look(self, what):
        """Checks once per view that nothing overflows and that axe finds nothing, in both colour schemes."""
        if first_look(f"{what}, {self.language}, {self.width}"):
            look_at(self.page, what)

    def text(self, key, **values):
        """The text of this key, in the person's language."""
        text = self.texts
        for part in key.split("."):
            text = text[part]
        if isinstance(text, dict):
            text = text[plural(self.language, values["count"])]
        return text.format(**values)

    def sms_begins(self, key):
        """How the site's messages of this kind begin, in the person's language."""
        return self.sms[key][0].split("{code}")[0].replace("{site}", "Example").strip()

    def reads(self, selector, key, **values):
        expect(self.locator(selector)).to_have_text(self.text(key, **values))

    def enter(self, code):
        """Types a code. The page submits it after six digits."""
        self.locator("#code").fill("")
        self.locator("#code").press_sequentially(code)

    def advance(self, seconds):
        """Moves the functions' clock and the browser's."""
        self.clock.advance(seconds)
        self.follow_the_clock()
        self.page.clock.fast_forward(seconds * 1000)

    def stop_the_clock(self):
        """From now on, the time of all of the person's tabs moves only with `clock.run_for`."""
        if not self.dates_follow:
            self.page.clock.install()
        self.page.clock.pause_at(self.page.evaluate("Date.now()") / 1000 + 1)

    def follow_the_clock(self):
        if self.page.evaluate("location.protocol") == "about:":
            self.page.clock.install(time=datetime.now() + timedelta(seconds=self.clock.ahead))
        if self.dates_follow:
            return
        self.dates_follow = True

        # The Date header comes from the gateway, whose clock doesn't move with the functions' clock.
        def later(route):
            answer = route.fetch()
            date = datetime.now(timezone.utc) + timedelta(seconds=self.clock.ahead)
            route.fulfill(response=answer, headers={**answer.headers, "date": format_datetime(date, usegmt=True)})

        self.context.route("**/v1/**", later)

    def lose_the_answer(self, pattern):
        """The connection is cut after the first request that matches. Returns the statuses of the lost answers."""
        lost = []

        def lose(route):
            if lost:
                return route.continue_()
            lost.append(route.fetch().status)
            return route.abort()

        self.context.route(pattern, lose)
        return lost

    def is_told_and_tries_again(self, button):
        """Presses the button, whose answer is lost, and presses it again."""
        self.locator(button).click()
        self.reads("#problem", "errors.offline")
        # The browser logs the cut connection.
        self.complaints.clear()
        self.locator(button).click()

    # Journeys

    def ask_for_a_code(self, phone):
        self.locator("#phone").fill(phone.written)
        self.locator("#phone-submit").click()
        self.at("code")

    def start_registration(self):
        self.open("/")
        self.at("home")
        self.locator("#go-register").click()
        self.at("register")
        self.ask_for_a_code(self.phone)

    def register_by_phone(self):
        self.start_registration()
        self.enter(self.inbox.code(self.phone))
        self.at("name")
        self.locator("#name").fill("Ada Lovelace")
        self.locator("#email").fill(self.email)
        self.locator("#name-submit").click()
        self.at("profile")

    def register_with_password(self):
        self.open("/register#email")
        self.at("register")
        self.look("register with a password")
        self.locator("#name").fill("Grace Hopper")
        self.locator("#email").fill(self.email)
        self.locator("#password").fill(PASSWORD)
        self.locator("#password-submit").click()
        self.at("profile")

    def add_phone(self):
        """Verifies the number in the profile and returns the recovery codes."""
        self.locator("#change-phone").click()
        self.ask_for_a_code(self.phone)
        self.enter(self.inbox.code(self.phone))
        expect(self.locator("#recovery-codes li")).to_have_count(10)
        self.look("recovery codes")
        codes = self.locator("#recovery-codes li").all_inner_texts()
        self.locator("#codes-saved").click()
        self.at("profile")
        return codes

    def start_app(self):
        """Opens the form of an authenticator app and returns its secret."""
        self.locator("#totp-start").click()
        expect(self.locator("#totp-form")).to_be_visible()
        return self.locator("#totp-secret").inner_text().replace(" ", "")

    def app_code(self, secret):
        """The code that an authenticator app shows now."""
        return pyotp.TOTP(secret).at(time.time() + self.clock.ahead)

    def set_app_up(self):
        """Sets an authenticator app up and returns its secret. The page shows recovery codes if the account had none."""
        secret = self.start_app()
        self.locator("#totp-code").fill(self.app_code(secret))
        self.locator("#totp-submit").click()
        expect(self.locator("#totp-form")).to_be_hidden()
        return secret

    def save_codes(self):
        expect(self.locator("#recovery-codes li")).to_have_count(10)
        self.locator("#codes-saved").click()

    def open_settings(self, admin_key):
        self.open("/settings")
        self.at("settings")
        self.locator("#admin-key").fill(admin_key)
        self.locator("#key-submit").click()
        expect(self.locator("#usage-status")).not_to_be_empty()

    def sign_out(self):
        self.locator("#sign-out").click()
        self.at("home")

    def log_in_with_password(self):
        self.open("/login#email")
        self.at("login")
        self.look("sign in with a password")
        self.locator("#email").fill(self.email)
        self.locator("#password").fill(PASSWORD)
        self.locator("#password-submit").click()


class Inbox:
    """The person's phone and mailbox: the inbox of the sandbox, over HTTP."""

    def __init__(self, sandbox, page):
        self.origin = sandbox
        self._page = page

    def newest(self, to, number=1):
        """Waits for message `number` to the phone or email address, and returns it."""
        url = f"{self.origin}/inbox?{urlencode({'to': getattr(to, 'e164', to)})}"

        def messages():
            with urlopen(Request(url, headers={"accept": "application/json"})) as answer:
                return json.load(answer)

        eventually(self._page, f"message {number} to {to}", lambda: len(messages()) >= number)
        arrived = messages()
        assert len(arrived) == number, f"{len(arrived)} messages instead of {number}"
        return arrived[0]

    def code(self, to, number=1):
        return re.sub(r"\D", "", re.search(r"\b\d{3} ?\d{3}\b", self.newest(to, number)["content"])[0])

    def fault(self, mode, phone=None):
        """Sets a fault of the Clickatell sandbox, for one number or for all."""
        fault = json.dumps({"mode": mode, **({"to": phone.e164} if phone else {})}).encode()
        urlopen(Request(f"{self.origin}/faults", data=fault, method="PUT")).close()


def plural(language, count):
    """The plural form of a small number."""
    if language == "ar":
        return {0: "zero", 1: "one", 2: "two"}.get(count, "few")
    return "one" if count == 1 else "other"


def first_look(sight):
    """Whether no process of this run has looked at this yet."""
    LOOKS.mkdir(parents=True, exist_ok=True)
    try:
        (LOOKS / quote(sight, safe=", ")).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def look_at(page, what):
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{what} overflows its window by {overflow} px"
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    # Only colours differ between the schemes.
    for scheme, rules in {"light": {}, "dark": {"runOnly": ["color-contrast", "link-in-text-block"]}}.items():
        page.emulate_media(color_scheme=scheme)
        found = page.evaluate("(rules) => axe.run({...rules, resultTypes: ['violations']})", rules)["violations"]
        words = [f"{each['id']}: {[node['html'] for node in each['nodes']]}" for each in found]
        assert not words, f"{what}, {scheme}: {words}"
    page.emulate_media(color_scheme="light")


def eventually(page, what, ask, patience=30):
    """Polls until `ask` returns a true value. Meanwhile, the page's requests go on, also those that a test routes."""
    deadline = time.monotonic() + patience
    while not ask():
        assert time.monotonic() < deadline, f"timeout: {what}"
        page.wait_for_timeout(100)
