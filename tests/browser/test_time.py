"""Behaviour over time: expired codes, resending, and recent sign-ins. The tests move the clocks and never sleep."""

from playwright.sync_api import expect

from people import Phone


def test_a_code_can_be_resent_after_a_minute(person):
    person.start_registration()
    code = person.inbox.code(person.phone)
    expect(person.locator("#resend")).to_have_attribute("aria-disabled", "true")
    expect(person.locator("#resend-wait")).not_to_be_empty()
    person.advance(61)
    expect(person.locator("#resend")).not_to_have_attribute("aria-disabled", "true")
    person.look("code that can be resent")
    person.locator("#resend").click()
    person.reads("#status", "resent")
    assert person.inbox.code(person.phone, 2) == code, "the same code"
    expect(person.locator("#resend")).to_have_attribute("aria-disabled", "true")
    person.enter(code)
    person.at("name")


def test_an_expired_code_can_be_replaced(person):
    person.start_registration()
    person.inbox.code(person.phone)
    person.advance(5 * 60 + 1)
    person.reads("#problem", "errors.code_expired")
    person.look("expired code")
    person.locator("#again").click()
    person.reads("#status", "new_code")
    new = person.inbox.code(person.phone, 2)
    person.at("code")
    person.enter(new)
    person.at("name")


def test_a_phone_change_requires_a_recent_sign_in_and_continues_after_it(person):
    person.register_by_phone()
    person.advance(6 * 60)
    person.locator("#change-phone").click()
    new = Phone(person.language)
    person.locator("#phone").fill(new.written)
    person.locator("#phone-submit").click()
    person.at("login")
    expect(person.locator("#reauth-note")).to_be_visible()
    person.look("sign in again")
    person.ask_for_a_code(person.phone)
    person.enter(person.inbox.code(person.phone, 2))
    # The code for the new number follows without another word.
    person.enter(person.inbox.code(new))
    person.at("profile")
    expect(person.locator("#phone-state")).to_contain_text(new.e164)
