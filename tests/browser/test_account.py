"""The account page: address, authenticator app, sessions, activity, data, and changes that need a new sign-in."""

import json

import pytest
from playwright.sync_api import expect

from conftest import only
from people import NEW_PASSWORD, PASSWORD, Person, fresh_email

ENGLISH, NARROW = only("English, wide"), only("Spanish, narrow")
SOON = 6 * 60


def test_the_address_is_verified_after_the_registration(person):
    person.register_with_password()
    expect(person.locator("#email-state")).to_contain_text("@")
    person.locator("#verify-email").click()
    person.at("code")
    person.look("code by email")
    person.enter(person.inbox.code(person.email))
    person.at("profile")
    person.reads("#status", "email_verified")
    person.reads("#email-state", "email_is_verified")
    expect(person.locator("#verify-email")).to_be_hidden()


@ENGLISH
def test_an_address_changes_with_a_code(person):
    person.register_with_password()
    # The code of the registration is not taken; later the page asks for a new one.
    person.page.evaluate("sessionStorage.removeItem('email-challenge')")
    person.page.reload()
    person.reads("#email-state", "email_not_verified")
    other = fresh_email()
    person.locator("#name").fill("Ada King")
    person.locator("#email").fill(other)
    person.locator("#details-submit").click()
    person.at("code")
    person.enter(person.inbox.code(other))
    person.at("profile")
    expect(person.locator("#email")).to_have_value(other)
    expect(person.locator("#name")).to_have_value("Ada King")
    person.reads("#email-state", "email_is_verified")


def test_an_app_is_set_up_asked_for_and_removed(person):
    person.register_with_password()
    secret = person.start_app()
    person.look("authenticator app")
    assert person.locator("#totp-qr").evaluate("image => image.complete && image.naturalWidth > 0")
    assert f"secret={secret}" in person.locator("#totp-open").get_attribute("href")
    person.locator("#totp-code").fill("000000")
    person.locator("#totp-submit").click()
    person.reads("#totp-code-error", "errors.wrong_code")
    person.locator("#totp-code").fill(person.app_code(secret))
    person.locator("#totp-submit").click()
    person.save_codes()
    person.reads("#status", "totp_added")
    person.reads("#totp-state", "totp_on")
    person.reads("#codes-left", "codes_left", count=10)

    person.sign_out()
    person.log_in_with_password()
    person.at("code")
    person.reads("#delivery", "delivery.none")
    # The step in which it was confirmed is used up.
    person.advance(60)
    person.enter(person.app_code(secret))
    person.at("profile")
    person.locator("#totp-off").click()
    person.locator("#confirm-yes").click()
    person.reads("#status", "totp_removed")
    person.reads("#totp-state", "totp_off")


@NARROW
def test_a_recovery_code_signs_in_whose_phone_is_lost(person):
    person.register_by_phone()
    person.locator("#new-codes").click()
    person.locator("#confirm-yes").click()
    codes = person.locator("#recovery-codes li")
    expect(codes).to_have_count(10)
    code = codes.first.inner_text()
    person.locator("#codes-saved").click()
    person.sign_out()
    person.open("/login#phone")
    person.at("login")
    person.ask_for_a_code(person.phone)
    person.locator("#use-recovery").click()
    person.look("recovery code at a sign-in by phone")
    person.locator("#recovery-code").fill(code)
    person.locator("#recovery-submit").click()
    person.at("profile")
    person.reads("#codes-left", "codes_left", count=9)


@NARROW
def test_sessions_are_listed_and_ended(person, browser, stack):
    person.register_with_password()
    person.sign_out()
    others = []
    for _ in range(2):
        other = Person(browser, stack, person.language, person.width)
        other.email = person.email
        other.log_in_with_password()
        other.at("profile")
        others.append(other)
    person.log_in_with_password()
    person.at("profile")
    expect(person.locator("#sessions li")).to_have_count(3)
    expect(person.locator("#sessions li").first).to_contain_text(person.text("session_current"))
    person.look("profile with sessions")
    person.locator("#sessions button").first.click()
    person.reads("#status", "session_ended")
    expect(person.locator("#sessions li")).to_have_count(2)
    person.locator("#end-others").click()
    person.locator("#confirm-yes").click()
    person.reads("#status", "others_ended")
    expect(person.locator("#sessions li")).to_have_count(1)
    expect(person.locator("#end-others")).to_be_hidden()
    for other in others:
        other.page.reload()
        other.at("login")
        other.close()


def test_the_activity_is_told_in_words(person):
    person.register_with_password()
    for number in range(3):
        person.locator("#name").fill(f"Ada {number}")
        person.locator("#details-submit").click()
        person.reads("#status", "saved")
    person.page.reload()
    person.at("profile")
    entries = person.locator("#activity li b").all_inner_texts()
    assert entries == [person.text("events.name_changed")] * 3 + [person.text("events.registered")]


@ENGLISH
def test_data_is_downloaded_and_the_account_deleted(person):
    person.register_with_password()
    with person.page.expect_download() as saved:
        person.locator("#download-data").click()
    data = json.loads(saved.value.path().read_text())
    assert person.email in json.dumps(data) and PASSWORD not in json.dumps(data)
    person.locator("#delete-account").click()
    expect(person.locator("#confirm-question")).to_have_text(person.text("confirm_delete"))
    person.locator("#confirm-no").click()
    person.locator("#delete-account").click()
    person.locator("#confirm-yes").click()
    person.at("home")
    person.reads("#status", "deleted")
    person.log_in_with_password()
    person.reads("#password-error", "errors.invalid_credentials")


def rename(person):
    person.locator("#name").fill("Ada King")
    person.locator("#email").fill(person.email.replace("ada", "king"))
    person.locator("#details-submit").click()


def renamed(person):
    person.at("code")
    person.enter(person.inbox.code(person.email.replace("ada", "king")))
    person.at("profile")
    expect(person.locator("#name")).to_have_value("Ada King")


def change_password(person):
    person.locator("#current-password").fill(PASSWORD)
    person.locator("#new-password").fill(NEW_PASSWORD)
    person.locator("#new-password-submit").click()


def changed_password(person):
    person.at("profile")
    person.reads("#status", "type_password_again")
    expect(person.locator("#current-password")).to_be_focused()
    change_password(person)
    person.reads("#status", "password_changed")


def press(button, asks=True):
    def pressed(person):
        person.locator(button).click()
        if asks:
            person.locator("#confirm-yes").click()

    return pressed


def app_begun(person):
    expect(person.locator("#totp-form")).to_be_visible()
    expect(person.locator("#totp-qr")).to_be_visible()


def codes_shown(person):
    person.save_codes()
    person.reads("#codes-left", "codes_left", count=10)


# What is pressed, and what must have happened once the user has signed in again.
CHANGES = {
    "details": (rename, renamed),
    "password": (change_password, changed_password),
    "totp": (press("#totp-start", asks=False), app_begun),
    "totp_off": (press("#totp-off"), lambda person: person.reads("#totp-state", "totp_off")),
    "recovery_codes": (press("#new-codes"), codes_shown),
    "delete": (press("#delete-account"), lambda person: person.at("home")),
}
WITH_APP = ["totp_off", "recovery_codes"]


@ENGLISH
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_finished_after_a_new_sign_in(person, name):
    begin, finished = CHANGES[name]
    person.register_with_password()
    secret = None
    if name in WITH_APP:
        secret = person.set_app_up()
        person.save_codes()
    person.advance(SOON)
    begin(person)
    person.at("login")
    person.reads("#reauth-note", f"reauth.{name}")
    expect(person.locator("#email")).to_have_value(person.email)
    expect(person.locator("#password")).to_be_focused()
    person.locator("#password").fill(PASSWORD)
    person.locator("#password-submit").click()
    if secret:
        person.at("code")
        person.enter(person.app_code(secret))
        person.at("profile")
    finished(person)


@ENGLISH
def test_a_download_is_finished_after_a_new_sign_in_by_phone(person):
    person.register_by_phone()
    person.advance(SOON)
    person.locator("#download-data").click()
    person.at("login")
    person.reads("#reauth-note", "reauth.export")
    expect(person.locator("#phone")).to_have_value(person.phone.e164)
    person.locator("#phone-submit").click()
    person.at("code")
    with person.page.expect_download() as saved:
        person.enter(person.inbox.code(person.phone, 2))
    assert saved.value.suggested_filename == "account.json"


@ENGLISH
def test_a_deletion_is_not_finished_after_a_reset(person):
    person.register_with_password()
    person.advance(SOON)
    person.locator("#delete-account").click()
    person.locator("#confirm-yes").click()
    person.at("login")
    person.locator("#password-form a").click()
    person.at("forgot")
    person.locator("#way-email").check(force=True)
    person.locator("#email").fill(person.email)
    person.locator("#email-submit").click()
    person.at("code")
    person.enter(person.inbox.code(person.email, 2))
    person.at("reset")
    person.locator("#password").fill(NEW_PASSWORD)
    person.locator("#password-submit").click()
    person.at("profile")
    person.page.reload()
    person.at("profile")
    expect(person.locator("#activity li").first).to_contain_text(person.text("events.password_reset"))


@ENGLISH
def test_what_was_typed_survives_the_end_of_the_session(person):
    person.register_with_password()
    person.context.clear_cookies()
    person.advance(20 * 60)
    person.locator("#name").fill("Ada King")
    person.locator("#details-submit").click()
    person.at("login")
    person.locator("#email").fill(person.email)
    person.locator("#password").fill(PASSWORD)
    person.locator("#password-submit").click()
    person.at("profile")
    expect(person.locator("#name")).to_have_value("Ada King")
    person.locator("#details-submit").click()
    person.reads("#status", "saved")


@ENGLISH
def test_a_change_of_another_user_is_not_finished(person):
    person.register_with_password()
    stranger = person.email
    person.sign_out()
    person.email = fresh_email()
    person.register_with_password()
    person.advance(SOON)
    person.locator("#delete-account").click()
    person.locator("#confirm-yes").click()
    person.at("login")
    person.locator("#email").fill(stranger)
    person.locator("#password").fill(PASSWORD)
    person.locator("#password-submit").click()
    person.at("profile")
    expect(person.locator("#email")).to_have_value(stranger)
    expect(person.locator("#activity li")).not_to_have_count(0)
    person.page.reload()
    person.at("profile")


# Answers that are lost: the page asks again with the same key, and the user sees the outcome of the first request.


@ENGLISH
def test_lost_answers_of_a_registration_by_phone(person):
    person.start_registration()
    code = person.inbox.code(person.phone)
    code_entry = person.lose_the_answer("**/v1/codes/*/verify")
    person.locator("#code").fill(code)
    person.reads("#problem", "errors.offline")
    person.complaints.clear()
    person.locator("#code-submit").click()
    person.at("name")
    completion = person.lose_the_answer("**/v1/register/complete")
    person.locator("#name").fill("Ada Lovelace")
    person.locator("#email").fill(person.email)
    person.is_told_and_tries_again("#name-submit")
    person.at("profile")
    assert [code_entry, completion] == [[200], [201]]


@NARROW
def test_lost_answers_of_a_registration_and_of_an_app(person):
    registration = person.lose_the_answer("**/v1/register/password")
    person.open("/register#email")
    person.at("register")
    for field, value in {"name": "Grace Hopper", "email": person.email, "password": PASSWORD}.items():
        person.locator(f"#{field}").fill(value)
    person.is_told_and_tries_again("#password-submit")
    person.at("profile")

    app = person.lose_the_answer("**/v1/profile/totp/confirm")
    secret = person.start_app()
    person.locator("#totp-code").fill(person.app_code(secret))
    person.is_told_and_tries_again("#totp-submit")
    person.save_codes()

    codes = person.lose_the_answer("**/v1/profile/recovery-codes")
    person.locator("#new-codes").click()
    person.locator("#confirm-yes").click()
    person.reads("#problem", "errors.offline")
    person.complaints.clear()
    person.locator("#new-codes").click()
    person.locator("#confirm-yes").click()
    person.save_codes()
    assert [registration, app, codes] == [[201], [200], [200]]
