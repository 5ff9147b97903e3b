"""The ways back in: forgotten passwords, a second step by app, and numbers whose account was not used for long."""

import pytest
from playwright.sync_api import expect

from conftest import READERS, only
from people import NEW_PASSWORD, PASSWORD

DAY = 24 * 60 * 60


def forget(person, way):
    person.open("/login#email")
    person.at("login")
    person.locator("#password-form a").click()
    person.at("forgot")
    person.locator(f"#way-{way}").check(force=True)
    if way == "email":
        person.locator("#email").fill(person.email)
    else:
        person.locator("#phone").fill(person.phone.written)
    person.locator(f"#{way}-submit").click()
    person.at("code")


def choose_password(person):
    person.at("reset")
    person.locator("#password").fill("short")
    person.locator("#password-submit").click()
    person.reads("#password-error", "errors.weak_password")
    person.locator("#password").fill(NEW_PASSWORD)
    person.locator("#password-submit").click()
    person.at("profile")


def test_a_forgotten_password_is_reset_with_a_code_by_email(person):
    person.register_with_password()
    person.sign_out()
    forget(person, "email")
    expect(person.locator("#sent-to")).to_contain_text("@")
    expect(person.locator("#wrong-number")).to_be_hidden()
    person.enter("000000")
    person.reads("#code-error", "errors.wrong_code")
    person.enter(person.inbox.code(person.email, 2))
    choose_password(person)
    person.sign_out()
    person.log_in_with_password()
    person.reads("#password-error", "errors.invalid_credentials")
    person.locator("#password").fill(NEW_PASSWORD)
    person.locator("#password-submit").click()
    person.at("profile")


def test_a_two_step_account_is_reset_with_two_proofs(person):
    person.register_with_password()
    codes = person.add_phone()
    person.sign_out()
    forget(person, "phone")
    person.enter(person.inbox.code(person.phone, 2))
    expect(person.locator("#recovery-form")).to_be_visible()
    person.locator("#recovery-code").fill(codes[0])
    person.locator("#recovery-submit").click()
    choose_password(person)


def test_a_reset_page_without_a_code_says_where_to_get_one(person):
    person.open("/reset")
    person.at("reset")
    person.locator("#nothing a").click()
    person.at("forgot")


@only("English, wide")
def test_a_lost_answer_to_a_reset_is_asked_for_again(person):
    person.register_with_password()
    person.sign_out()
    forget(person, "email")
    person.enter(person.inbox.code(person.email, 2))
    person.at("reset")
    lost = person.lose_the_answer("**/v1/password/reset")
    person.locator("#password").fill(NEW_PASSWORD)
    person.locator("#password-submit").click()
    person.reads("#problem", "errors.offline")
    assert lost == [200]
    person.complaints.clear()
    person.locator("#password-submit").click()
    person.at("profile")


@only("Spanish, narrow")
def test_a_code_of_an_app_serves_beside_the_message(person):
    person.register_with_password()
    person.add_phone()
    secret = person.set_app_up()
    person.sign_out()
    person.log_in_with_password()
    person.at("code")
    person.locator("#use-app").click()
    person.reads("#delivery", "delivery.none")
    person.look("code of an app")
    person.locator("#use-app").click()
    expect(person.locator("#to")).to_be_visible()
    person.locator("#use-app").click()
    # The step in which it was confirmed is used up.
    person.advance(60)
    person.enter(person.app_code(secret))
    person.at("profile")


@pytest.mark.parametrize(
    "person, proof",
    [(READERS["English, wide"], "password"), (READERS["Arabic, phone"], "recovery_code")],
    ids=["English, password", "Arabic, recovery code"],
    indirect=["person"],
)
def test_the_owner_of_an_idle_number_confirms_the_account(person, proof):
    person.register_with_password()
    codes = person.add_phone()
    person.sign_out()
    idle(person)
    person.look("name of an idle number")
    person.locator("#confirm-submit").click()
    person.reads("#password-error", "required")
    if proof == "password":
        person.locator("#password").fill(PASSWORD)
    else:
        person.locator("#confirm-code").fill(codes[0])
    person.locator("#confirm-submit").click()
    person.at("profile")


def test_the_next_owner_of_an_idle_number_makes_an_account_of_their_own(person):
    person.register_by_phone()
    person.sign_out()
    idle(person)
    expect(person.locator("#confirm-form")).to_be_hidden()
    person.look("name of an idle number without a proof")
    person.locator("#not-mine").click()
    person.at("name")
    person.locator("#name").fill("Grace Hopper")
    person.locator("#email").fill(f"next-{person.email}")
    person.locator("#name-submit").click()
    person.at("profile")
    expect(person.locator("#name")).to_have_value("Grace Hopper")


def idle(person):
    # Only the functions' clock: the pages don't rely on the browser's.
    person.clock.advance(181 * DAY)
    person.follow_the_clock()
    person.open("/register#phone")
    person.at("register")
    person.ask_for_a_code(person.phone)
    person.enter(person.inbox.code(person.phone, 2))
    person.at("name")
