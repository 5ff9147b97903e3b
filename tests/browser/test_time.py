"""What waits for time: a code that expires, and one that is sent again. The clocks are moved, nobody sleeps."""

import pytest
from playwright.sync_api import expect

from stack import Clock

pytestmark = pytest.mark.skipif(not Clock.can_be_moved(), reason="the functions' clock cannot be moved in this build")


def test_a_code_is_sent_again_after_a_minute(person):
    person.start_registration()
    code = person.inbox.code(person.phone)
    expect(person.locator("#resend")).to_have_attribute("aria-disabled", "true")
    expect(person.locator("#resend-wait")).not_to_be_empty()
    person.advance(61)
    expect(person.locator("#resend")).not_to_have_attribute("aria-disabled", "true")
    person.look("code that can be sent again")
    person.locator("#resend").click()
    person.reads("#status", "resent")
    assert person.inbox.code(person.phone, 2) == code, "the same code"
    expect(person.locator("#resend")).to_have_attribute("aria-disabled", "true")
    person.enter(code)
    person.at("name")


def test_an_expired_code_makes_room_for_a_new_one(person):
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
