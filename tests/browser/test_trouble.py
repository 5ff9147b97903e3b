"""What users see when things go wrong, and where."""

import json
import re
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import expect

from people import PASSWORD, Person, Phone


@pytest.fixture
def phone_user(browser, stack):
    """One person in English on a phone."""
    person = Person(browser, stack, "en", 390)
    yield person
    person.close()


def in_view(locator):
    """Whether the whole element is in the window."""
    box = locator.bounding_box()
    height = locator.page.viewport_size["height"]
    return box["y"] >= 0 and box["y"] + box["height"] <= height


# Results

def test_results_are_said_beside_the_button_that_was_pressed(person):
    person.register_with_password()
    person.page.set_viewport_size({"width": person.width, "height": 500})
    person.locator("#current-password").fill(PASSWORD)
    person.locator("#new-password").fill("seven purple bicycles sing")
    person.locator("#new-password-submit").click()
    person.reads("#status", "password_changed")
    assert in_view(person.locator("#status"))
    button, status = person.locator("#new-password-submit").bounding_box(), person.locator("#status").bounding_box()
    assert 0 < status["y"] - button["y"] < 200
    person.locator("#name").fill("Grace B. Hopper")
    person.locator("#details-submit").click()
    person.reads("#status", "saved")
    assert in_view(person.locator("#status"))


def test_a_change_of_settings_is_said_beside_its_button(person, stack):
    person.open_settings(stack.admin_key)
    person.page.set_viewport_size({"width": person.width, "height": 600})
    person.locator("#settings-submit").click()
    person.reads("#status", "nothing_changed")
    assert in_view(person.locator("#status"))


def test_a_removed_device_leaves_the_focus_in_the_page(person):
    person.register_with_password()
    person.add_phone()
    person.sign_out()
    person.log_in_with_password()
    person.at("code")
    person.locator("#remember-device").check()
    person.enter(person.inbox.code(person.phone, 2))
    person.at("profile")
    person.locator("#devices button.remove").click()
    person.locator("#confirm-yes").click()
    expect(person.locator("#no-devices")).to_be_visible()
    expect(person.locator("#status")).not_to_be_empty()
    assert person.page.evaluate("document.activeElement.id") == "devices-title"


# Pages that are opened again

def test_recovery_codes_that_cannot_be_shown_again_lead_to_new_ones(person):
    person.register_with_password()
    person.locator("#change-phone").click()
    person.ask_for_a_code(person.phone)
    person.enter(person.inbox.code(person.phone))
    expect(person.locator("#recovery-codes li")).to_have_count(10)
    person.page.reload()
    expect(person.locator("#shown")).to_be_visible()
    person.look("code page after the recovery codes")
    person.locator("#go-new-codes").click()
    person.at("profile")
    person.reads("#status", "codes_were_shown")
    expect(person.locator("#new-codes")).to_be_focused()
    person.locator("#new-codes").click()
    person.locator("#confirm-yes").click()
    expect(person.locator("#recovery-codes li")).to_have_count(10)


def test_the_home_page_knows_who_is_signed_in_and_what_the_site_offers(person):
    person.open("/")
    expect(person.locator("#go-register")).to_be_visible()
    expect(person.locator("#go-profile")).to_be_hidden()
    person.register_with_password()
    person.open("/")
    person.at("home")
    expect(person.locator("#go-profile")).to_be_visible()
    expect(person.locator("#go-register")).to_be_hidden()
    person.look("home of a user")


def test_a_site_without_sms_says_nothing_about_it(person, stack):
    change = {"two_step_enabled": False}
    person.page.request.put(f"{stack.site}/v1/settings", headers={"authorization": f"Bearer {stack.admin_key}"}, data=change)
    try:
        person.advance(31)
        for path in ["/", "/register", "/login"]:
            # Two instances serve the pages, each with its own copy of the settings.
            person.page.wait_for_timeout(100)
            person.open(path)
            expect(person.locator("html")).to_have_attribute("data-phone", "off")
            person.locator("main[data-ready]").wait_for(state="attached")
            person.look(f"{path} without SMS")
            expect(person.locator("main")).not_to_contain_text(re.compile("SMS|phone|teléfono", re.I), use_inner_text=True)
        expect(person.locator("#password-form")).to_be_visible()
    finally:
        change = {"two_step_enabled": True}
        person.page.request.put(f"{stack.site}/v1/settings", headers={"authorization": f"Bearer {stack.admin_key}"}, data=change)
        person.advance(31)


def test_the_way_last_used_is_preselected(person):
    person.open("/login#email")
    person.at("login")
    person.locator("#email").fill(person.email)
    person.locator("#password").fill(PASSWORD)
    person.locator("#password-submit").click()
    person.reads("#password-error", "errors.invalid_credentials")
    later = person.context.new_page()
    later.goto(person.origin + "/login")
    expect(later.locator("#email")).to_be_visible()
    expect(later.locator("#way-email")).to_be_checked()
    expect(later.locator("#phone")).to_be_hidden()


# Codes

def test_a_refused_number_leads_back_to_its_field(person):
    person.inbox.fault("invalid_destination", person.phone)
    try:
        person.start_registration()
        person.reads("#delivery", "failure.number_refused")
    finally:
        person.inbox.fault("none")
    for hidden in ["#to", "#code-form", "#resend"]:
        expect(person.locator(hidden)).to_be_hidden()
    change = person.locator("#other-way")
    person.reads("#other-way", "change_number")
    expect(change).to_have_class(re.compile("button"))
    expect(change).to_be_focused()
    change.click()
    person.at("register")
    expect(person.locator("#phone")).to_have_value(person.phone.written)


def test_the_whole_number_is_shown_while_the_code_is_entered(person):
    person.start_registration()
    code = {"en": "+1", "es": "+34", "ar": "+20"}[person.language]
    shown = person.locator("#sent-to").inner_text().replace("\u00a0", " ").replace("\u2011", "-")
    assert person.phone.written in shown and code in shown
    person.locator("#wrong-number").click()
    person.at("register")
    expect(person.locator("#phone")).to_have_value(person.phone.written)


def test_five_wrong_codes_say_so_and_the_button_counts_down(phone_user):
    person = phone_user
    person.start_registration()
    right = person.inbox.code(person.phone)
    for guess in range(5):
        with person.page.expect_response(re.compile("/verify$")):
            person.enter(f"{(int(right) + 1 + guess) % 1_000_000:06}")
    person.reads("#problem", "last_attempt")
    again = person.locator("#again")
    expect(again).to_be_visible()
    expect(again).to_be_focused()
    again.click()
    expect(person.locator("#problem")).to_contain_text(re.compile("can get"))
    expect(again).to_have_attribute("aria-disabled", "true")
    expect(again.locator(".left")).to_have_text(re.compile(r"\d:\d\d"))
    person.look("code page with a countdown")
    expect(again).to_be_focused()


def test_a_taken_address_offers_to_sign_in(person):
    person.register_with_password()
    person.sign_out()
    person.open("/register#email")
    person.at("register")
    person.locator("#name").fill("Grace Hopper")
    person.locator("#email").fill(person.email)
    person.locator("#password").fill(PASSWORD)
    person.locator("#password-submit").click()
    expect(person.locator("#email-error")).to_contain_text(person.text("errors.email_taken"))
    person.look("register with a taken address")
    person.locator("#email-error a").click()
    person.at("login")
    expect(person.locator("#email")).to_have_value(person.email)


@pytest.mark.parametrize("status, wait", [(404, None), (429, None), (503, None), (502, "4")])
def test_an_answer_of_the_gateway_is_a_countdown(phone_user, status, wait):
    person = phone_user
    person.expected.add(status)
    headers = {"retry-after": wait} if wait else {}
    answer = {"message": "Too Many Requests"} if status == 429 else "<html>"
    person.context.route("**/v1/login/phone", lambda route: route.fulfill(status=status, headers=headers, body=json.dumps(answer)))
    person.open("/login#phone")
    person.at("login")
    person.locator("#phone").fill(person.phone.written)
    person.locator("#phone-submit").click()
    person.reads("#problem", "errors.busy")
    button = person.locator("#phone-submit")
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(button.locator(".left")).to_have_text(re.compile("0:0[1-4]" if wait else r"0:(10|0\d)"))
    if wait:
        expect(button).not_to_have_attribute("aria-disabled", "true")
        person.reads("#waiting", "can_try_again")


def test_typing_the_last_digit_can_be_undone(phone_user):
    person = phone_user
    person.start_registration()
    sent = []
    person.page.on("request", lambda request: sent.append(request.url) if request.url.endswith("/verify") else None)
    person.locator("#code").press_sequentially("123456")
    person.reads("#announced", "checking")
    person.locator("#code").press("Backspace")
    expect(person.locator("#announced")).to_be_empty()
    person.page.wait_for_timeout(1000)
    assert not sent


# Browsers

def test_blocked_storage_is_said_in_one_sentence(person):
    person.page.add_init_script("""
      for (const name of ['localStorage', 'sessionStorage'])
        Object.defineProperty(window, name, {get() { throw new DOMException('blocked', 'SecurityError'); }});
    """)
    for path in ["/", "/register", "/login", "/code", "/profile"]:
        person.open(path)
        expect(person.locator(".if-no-storage")).to_be_visible()
        assert len(person.locator("main > :visible").all()) == 1
    person.complaints.clear()


def test_without_scripts_a_page_says_so(browser, stack):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    for path in ["/", "/register", "/login", "/code", "/register/name", "/profile", "/settings"]:
        page.goto(stack.site + path)
        expect(page.locator("noscript p")).to_be_visible()
        expect(page.locator("form:visible")).to_have_count(0)
    page.goto(stack.site + "/docs")
    expect(page.locator("#objects")).to_be_visible()
    context.close()


def test_the_wrong_host_is_noticed_before_a_message_is_sent(browser, stack):
    person = Person(browser, stack, "en", 390)
    person.origin = stack.site.replace("localhost", "127.0.0.1")
    asked = []
    person.page.on("request", lambda request: asked.append(request.url) if "/v1/" in request.url else None)
    person.open("/register")
    person.at("register")
    expect(person.locator(".if-elsewhere a")).to_have_attribute("href", stack.site + "/register")
    person.look("register at the wrong host")
    person.locator("#phone").fill(person.phone.written)
    person.locator("#phone-submit").click()
    person.reads("#problem", "errors.wrong_host", host="localhost")
    assert not asked
    person.close()


@pytest.mark.parametrize("wrong", [timedelta(days=-400), timedelta(minutes=7), timedelta(days=400)])
def test_a_wrong_clock_changes_nothing(phone_user, wrong):
    person = phone_user
    person.page.clock.install(time=datetime.now() + wrong)
    person.start_registration()
    expect(person.locator("#expiry")).to_have_text(re.compile(r"4:[345]\d|5:00"))
    # The clock is set right while the page is open, and the page is opened again.
    person.page.clock.set_system_time(datetime.now())
    person.page.clock.run_for(2000)
    expect(person.locator("#expiry")).to_have_text(re.compile(r"4:[345]\d|5:00"))
    expect(person.locator("#resend")).to_have_attribute("aria-disabled", "true")
    person.page.reload()
    expect(person.locator("#expiry")).to_have_text(re.compile(r"4:[345]\d|5:00"))
    person.enter(person.inbox.code(person.phone))
    person.page.clock.run_for(1000)
    person.at("name")
