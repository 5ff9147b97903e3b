"""User journeys through the pages, from the first page to the last."""

import re

from playwright.sync_api import expect

from people import PASSWORD, Phone, fresh_email


def test_register_by_phone_and_come_back(person):
    person.start_registration()
    assert person.sms_begins("code") in person.inbox.newest(person.phone)["content"]
    code = person.inbox.code(person.phone)

    # A reload loses nothing, and the same code still works, pasted with a space.
    person.page.reload()
    person.at("code")
    person.reads("#delivery", "delivery.delivered")
    person.locator("#code").fill(f"{code[:3]} {code[3:]}")
    person.at("name")
    person.locator("#name-submit").click()
    person.reads("#name-error", "required")
    person.look("name with errors")
    person.locator("#name").fill("Ada Lovelace")
    person.locator("#email").fill(person.email)
    person.locator("#name-submit").click()
    person.at("profile")
    expect(person.locator("#name")).to_have_value("Ada Lovelace")
    expect(person.locator("#phone-state")).to_contain_text(person.phone.e164)

    # The refresh token is in a cookie that the page can't read.
    person.page.reload()
    person.at("profile")
    expect(person.locator("#email")).to_have_value(person.email)
    assert "refresh" not in person.page.evaluate("document.cookie + JSON.stringify({...localStorage, ...sessionStorage})")

    person.sign_out()
    person.open("/profile")
    person.at("login")
    person.ask_for_a_code(person.phone)
    person.enter(person.inbox.code(person.phone, 2))
    person.at("profile")


def test_register_with_a_password_and_log_in(person):
    person.open("/register#email")
    person.at("register")
    person.locator("#name").fill("Grace Hopper")
    person.locator("#email").fill(person.email)
    person.locator("#password").fill("password1")
    person.locator("#password").press("Enter")
    person.reads("#password-error", "errors.weak_password")
    person.look("register with a weak password")
    expect(person.locator("#email")).to_have_value(person.email)
    person.locator("#password").fill(PASSWORD)
    person.locator("#password").press("Enter")
    person.at("profile")
    expect(person.locator("#two-step-state")).to_have_attribute("data-on", "false")
    person.sign_out()

    person.log_in_with_password()
    person.at("profile")
    person.locator("#name").fill("Grace B. Hopper")
    person.locator("#details-submit").click()
    person.reads("#status", "saved")
    person.look("profile after a change")


def test_the_second_step_and_a_remembered_device(person):
    person.register_with_password()
    person.add_phone()
    expect(person.locator("#two-step-state")).to_have_attribute("data-on", "true")
    person.sign_out()

    person.log_in_with_password()
    person.at("code")
    person.look("second step")
    person.enter("000000" if person.inbox.code(person.phone, 2) != "000000" else "000001")
    person.reads("#code-error", "errors.wrong_code")
    person.reads("#attempts", "attempts_left", count=4)
    person.look("code with an error")
    person.locator("#remember-device").check()
    person.enter(person.inbox.code(person.phone, 2))
    person.at("profile")
    expect(person.locator("#devices li")).to_have_count(1)
    person.look("profile with a device")
    person.sign_out()

    person.log_in_with_password()
    person.at("profile")
    person.locator("#devices button.remove").click()
    expect(person.locator("#confirm")).to_be_visible()
    person.look("confirmation dialog")
    person.locator("#confirm-yes").click()
    expect(person.locator("#devices li")).to_have_count(0)
    person.sign_out()
    person.log_in_with_password()
    person.at("code")


def test_a_recovery_code_replaces_the_phone(person):
    person.register_with_password()
    codes = person.add_phone()
    person.sign_out()
    person.log_in_with_password()
    person.at("code")
    person.locator("#use-recovery").click()
    person.look("recovery code")
    person.locator("#recovery-code").fill("0000-0000-0000-0000")
    person.locator("#recovery-submit").click()
    person.reads("#recovery-code-error", "errors.wrong_recovery_code")
    person.locator("#recovery-code").fill(codes[3].lower())
    person.locator("#recovery-submit").click()
    person.at("profile")


def test_change_the_phone(person):
    person.register_by_phone()
    new = Phone(person.language)
    person.locator("#change-phone").click()
    person.look("profile with the phone's form")
    person.locator("#phone").fill("123")
    person.locator("#phone-submit").click()
    expect(person.locator("#phone-error")).to_contain_text(person.text("errors.invalid_phone"))
    # As if pasted.
    person.locator("#phone").fill(f" {new.e164[:3]} {new.e164[3:]} ")
    person.locator("#phone-submit").click()
    person.at("code")
    person.enter(person.inbox.code(new))
    person.at("profile")
    person.reads("#status", "phone_saved")
    expect(person.locator("#phone-state")).to_contain_text(new.e164)
    assert person.sms_begins("phone_changed") in person.inbox.newest(person.phone, 2)["content"]


def test_no_delivery(person):
    person.inbox.fault("delivery_failed", person.phone)
    try:
        person.start_registration()
        expect(person.locator("#delivery")).to_have_attribute("data-state", "failed")
        person.reads("#delivery", "failure.not_delivered")
        person.look("code that was not delivered")
    finally:
        person.inbox.fault("none")
    # The register page still has the number.
    person.locator("#other-way").click()
    person.at("register")
    expect(person.locator("#phone")).to_have_value(person.phone.written)
    person.page.go_back()
    person.at("code")


def test_a_refused_message_shows_the_reason(person):
    for fault, failure in [("invalid_destination", "number_refused"), ("no_credit", "account_refused")]:
        person.phone = Phone(person.language)
        person.inbox.fault(fault, person.phone)
        try:
            person.start_registration()
            person.reads("#delivery", f"failure.{failure}")
            person.look(f"code with {failure}")
        finally:
            person.inbox.fault("none")


def test_sign_in_methods_can_be_changed_in_the_profile(person):
    person.register_with_password()
    old = person.add_phone()
    person.locator("#new-codes").click()
    person.locator("#confirm-yes").click()
    expect(person.locator("#recovery-codes li")).to_have_count(10)
    person.look("profile with new recovery codes")
    with person.page.expect_download() as download:
        person.locator("#download-codes").click()
    new = download.value.path().read_text().split()[-10:]
    person.locator("#copy-codes").click()
    person.reads("#codes-status", "copied")
    assert person.page.evaluate("navigator.clipboard.readText()").split() == new
    assert not set(old) & set(new)
    person.locator("#codes-saved").click()
    expect(person.locator("#recovery-codes")).to_be_hidden()

    person.locator("#current-password").fill("not the one at all")
    person.locator("#new-password").fill("seven purple bicycles sing")
    person.locator("#new-password-submit").click()
    person.reads("#current-password-error", "errors.invalid_current_password")
    person.locator("#current-password").fill(PASSWORD)
    person.locator("#new-password-submit").click()
    person.reads("#status", "password_changed")

    person.locator("#two-step-off").click()
    person.locator("#confirm-no").click()
    expect(person.locator("#two-step-state")).to_have_attribute("data-on", "true")
    person.locator("#two-step-off").click()
    person.locator("#confirm-yes").click()
    person.reads("#status", "two_step_turned_off")
    expect(person.locator("#two-step-state")).to_have_attribute("data-on", "false")
    person.sign_out()

    person.log_in_with_password()
    person.reads("#password-error", "errors.invalid_credentials")
    person.look("sign in with a wrong password")
    person.locator("#password").fill("seven purple bicycles sing")
    person.locator("#password-submit").click()
    person.at("profile")


def test_too_many_wrong_codes(person):
    person.start_registration()
    right = person.inbox.code(person.phone)
    for guess in range(5):
        with person.page.expect_response(re.compile("/verify$")):
            person.enter(f"{(int(right) + 1 + guess) % 1_000_000:06}")
    expect(person.locator("#again")).to_be_visible()
    expect(person.locator("#problem")).not_to_be_empty()
    person.look("code with no attempts left")


def test_input_survives_a_change_of_language(person):
    person.open("/register#email")
    person.at("register")
    person.locator("#email").fill(fresh_email())
    typed = person.locator("#email").input_value()
    other = {"en": "es", "es": "ar", "ar": "en"}[person.language]
    person.locator("#language").select_option(other)
    expect(person.locator("html")).to_have_attribute("lang", other)
    expect(person.locator("main[data-ready]")).to_be_attached()
    expect(person.locator("#email")).to_have_value(typed)


def test_the_code_page_without_a_code_and_the_name_page_without_a_number_offer_a_new_start(person):
    person.open("/code")
    person.at("code")
    expect(person.locator("#nothing")).to_be_visible()
    person.look("code page without a code")
    person.open("/register/name")
    person.at("name")
    expect(person.locator("#start-again")).to_be_visible()
    expect(person.locator("main")).not_to_contain_text(person.text("errors.invalid_registration_token"))


def test_registration_works_with_the_keyboard_alone(person):
    person.open("/register#email")
    person.at("register")
    person.locator("#way-email").focus()
    keyboard = person.page.keyboard
    keyboard.press("ArrowLeft")
    expect(person.locator("#phone")).to_be_visible()
    for _ in range(2):
        keyboard.press("Tab")
    expect(person.locator("#phone")).to_be_focused()
    keyboard.type(person.phone.written)
    keyboard.press("Enter")
    person.at("code")
    expect(person.locator("#code")).to_be_focused()
    keyboard.type(person.inbox.code(person.phone))
    person.at("name")
    expect(person.locator("#name")).to_be_focused()
