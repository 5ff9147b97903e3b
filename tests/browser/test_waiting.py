"""Slow networks, answers that don't come, and several tabs."""

from contextlib import contextmanager
from math import inf

import pytest
from playwright.sync_api import expect

from people import PASSWORD, Person, eventually

# 400 kbit/s with 400 ms of latency: a phone at the edge of its network.
SLOW = {"offline": False, "latency": 400, "downloadThroughput": 50_000, "uploadThroughput": 50_000}

WATCH = """
  window.shifts = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifts += entry.value;
  }).observe({type: "layout-shift", buffered: true});
"""


@pytest.fixture
def phone_user(browser, stack):
    """One person in English on a phone."""
    person = Person(browser, stack, "en", 390)
    yield person
    person.close()


def network_of(page):
    """The network domain of the browser's debugger."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    return session


def slow_down(page):
    network_of(page).send("Network.emulateNetworkConditions", SLOW)


@contextmanager
def hanging(context, pattern, count=inf):
    """The first requests that match get no answer until the end."""
    held = []
    context.route(pattern, lambda route: held.append(route) if len(held) < count else route.fallback())
    yield held
    context.unroute(pattern)
    for route in held:
        try:
            route.abort()
        except Exception:
            pass


@pytest.mark.parametrize("path, field", [("/register", "#phone"), ("/login", "#phone"), ("/login#email", "#email")])
def test_a_form_can_be_used_after_seconds_on_a_slow_network(phone_user, path, field):
    """Computed from the requests, because the time of a real load depends on what else the machine does."""
    page = phone_user.page
    network = network_of(page)
    rounds, sizes = {}, []

    def sent(event):
        cause = event["initiator"].get("url", "").partition("#")[0]
        rounds[event["request"]["url"]] = rounds.get(cause, 0) + 1

    network.on("Network.requestWillBeSent", sent)
    network.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto(phone_user.origin + path)
    expect(page.locator(field)).to_be_visible()
    page.locator("main[data-ready]").wait_for(state="attached")
    # One more to connect.
    seconds = (max(rounds.values()) + 1) * SLOW["latency"] / 1000 + sum(sizes) / SLOW["downloadThroughput"]
    assert len(sizes) == len(rounds) > 2, rounds
    assert seconds <= 2, (rounds, sizes)


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_moves_while_a_page_loads(browser, stack, width):
    person = Person(browser, stack, "en", width)
    person.page.add_init_script(WATCH)
    slow_down(person.page)
    for path, name in {"/": "home", "/register": "register", "/register#email": "register", "/login": "login",
                       "/code": "code", "/register/name": "name", "/settings": "settings", "/docs": "docs"}.items():
        person.load(path, name)
        shifts = person.page.evaluate("window.shifts")
        assert shifts <= 0.02, f"{path} at {width} px shifts by {shifts}"
    person.close()


def test_pages_ask_for_nothing_before_their_form_can_be_used(phone_user):
    asked = []
    phone_user.page.on("request", lambda request: asked.append(request.url))
    for path, name in {"/": "home", "/register": "register", "/login": "login"}.items():
        phone_user.open(path)
        phone_user.at(name)
    assert not [url for url in asked if "/v1/" in url], asked
    scripts = {url for url in asked if url.endswith(".js")}
    assert len(scripts) == 6, "the early script, the texts of two kinds of pages, and one script a page"


def test_a_form_that_is_submitted_before_its_script_is_there_is_sent_when_it_is(phone_user):
    page = phone_user.page
    held = []
    page.route("**/assets/register.*.js", lambda route: held.append(route))
    page.goto(phone_user.origin + "/register", wait_until="commit")
    page.locator("#phone").fill(phone_user.phone.e164)
    page.locator("#phone-submit").click()
    expect(page.locator("#phone-form")).to_have_attribute("aria-busy", "true")
    held[0].continue_()
    phone_user.at("code")


def test_a_script_that_does_not_load_is_noticed(phone_user):
    page = phone_user.page
    page.route("**/assets/login.*.js", lambda route: route.abort())
    phone_user.open("/login")
    expect(page.locator(".if-failed")).to_be_visible()
    assert any("ERR_FAILED" in complaint for complaint in phone_user.complaints)
    phone_user.complaints.clear()


def test_a_request_says_that_it_waits_and_is_given_up(person):
    person.page.clock.install()
    person.open("/login#email")
    person.at("login")
    person.locator("#email").fill(person.email)
    person.locator("#password").fill(PASSWORD)
    with hanging(person.context, "**/v1/login/password"):
        person.locator("#password-submit").click()
        person.page.clock.run_for(1000)
        person.reads("#password-submit", "wait")
        person.reads("#waiting", "wait")
        expect(person.locator("#waiting")).to_have_attribute("role", "status")
        person.look("sign in while it waits")
        person.page.clock.run_for(6000)
        person.reads("#waiting", "wait_longer")
        person.page.clock.run_for(10_000)
        person.reads("#problem", "errors.timeout")
    expect(person.locator("#password-submit")).not_to_have_attribute("aria-disabled", "true")
    expect(person.locator("#password")).to_have_value(PASSWORD)


def test_a_hanging_request_in_one_tab_does_not_block_another(person):
    person.register_with_password()
    person.stop_the_clock()
    with hanging(person.context, "**/v1/session/refresh", count=1) as held:
        person.page.reload()
        expect(person.locator("#loading")).to_be_visible()
        eventually(person.page, "a request that hangs", lambda: held)
        other = person.context.new_page()
        other.goto(person.origin + "/profile")
        waiting = "navigator.locks.query().then(({pending}) => pending.length)"
        eventually(other, "a tab that waits for its turn", lambda: other.evaluate(waiting) == 1)
        other.clock.run_for(4000)
        expect(other.locator("#profile")).to_be_visible()
        # A sign-in doesn't wait at all.
        other.goto(person.origin + "/login#email")
        other.locator("#email").fill(person.email)
        other.locator("#password").fill(PASSWORD)
        other.locator("#password-submit").click()
        expect(other.locator("#profile")).to_be_visible()


def test_a_sign_out_while_the_page_loads_ends_at_the_first_page(phone_user):
    person = phone_user
    person.register_with_password()
    with hanging(person.context, "**/v1/session/refresh") as held:
        person.page.reload()
        eventually(person.page, "a request of the page", lambda: held)
        person.locator("#sign-out").click()
        person.at("home")
        person.reads("#status", "signed_out")


def test_tabs_follow_a_sign_out_and_a_sign_in_at_once(person, browser, stack):
    person.register_with_password()
    home = person.context.new_page()
    home.goto(person.origin + "/")
    expect(home.locator("#go-profile")).to_be_visible()
    profile = person.context.new_page()
    profile.goto(person.origin + "/profile")
    expect(profile.locator("#profile")).to_be_visible()

    person.sign_out()
    expect(home.locator("#go-register")).to_be_visible()
    expect(profile.locator('main[data-page="login"]')).to_be_attached()
    expect(profile.locator("#signed-out-note")).to_be_visible()

    # Another user signs in: the tab of the first one doesn't act for them.
    first = person.email
    person.log_in_with_password()
    person.at("profile")
    expect(profile.locator("#status a")).to_have_attribute("href", "/profile")
    profile.locator("#status a").click()
    expect(profile.locator("#email")).to_have_value(first)
    second = Person(browser, stack, person.language, person.width)
    person.email = second.email
    second.close()
    person.register_with_password()
    expect(profile.locator("#email")).to_have_value(person.email)
    expect(profile.locator("#profile")).to_be_visible()
    profile.close()
    home.close()


def test_an_old_tab_never_acts_for_another_user(phone_user, browser, stack):
    """Also if it didn't hear of the sign-in, such as one that slept."""
    person = phone_user
    person.register_with_password()
    person.page.evaluate("addEventListener('storage', (event) => event.stopImmediatePropagation(), true)")
    other = person.context.new_page()
    # Another browser's account signs in here. The events of the shared storage don't reach the first tab.
    second = Person(browser, stack, "en", 390)
    second.register_with_password()
    person.page.route("**/v1/profile", lambda route: route.abort() if route.request.method == "PATCH" else route.continue_())
    other.goto(person.origin + "/login#email")
    other.locator("#email").fill(second.email)
    other.locator("#password").fill(PASSWORD)
    other.locator("#password-submit").click()
    expect(other.locator("#profile")).to_be_visible()
    if person.locator("#email").input_value() == person.email:
        person.locator("#name").fill("Mallory")
        person.locator("#details-submit").click()
    expect(person.locator("#email")).to_have_value(second.email)
    expect(person.locator("#name")).to_have_value("Grace Hopper")
    second.close()
