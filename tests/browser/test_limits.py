"""What people and the operator read when the limits of a deployment are reached."""

import re
import time

import pytest
from playwright.sync_api import expect

from people import Person, Phone
from stack import Stack

# The settings and the breaker are cached for as long.
CACHED = 31


@pytest.fixture
def strict(browser):
    stack = Stack(limits="deployed")
    # Early in an hour of the clock, which ends only after the test.
    stack.clock.advance(3600 - int(time.time()) % 3600 + 60)
    yield stack
    stack.close()


def test_a_spent_budget_is_said_to_everyone_whom_it_concerns(browser, strict):
    admin = Person(browser, strict, "en", 1280)
    admin.open_settings(strict.admin_key)
    expect(admin.locator("#usage-empty")).to_be_visible()
    admin.look("settings without usage")
    admin.locator("#budget-all-hour-messages").fill("1")
    admin.locator("#settings-submit").click()
    admin.reads("#status", "settings_saved")

    person = Person(browser, strict, "es", 320)
    person.start_registration()
    person.inbox.newest(person.phone)
    person.phone = Phone("es")
    person.start_registration()
    person.reads("#delivery", "failure.budget_spent")
    person.look("code that no budget was left for")

    # As soon as every function knows, a start is refused before anything is written.
    person.advance(CACHED)
    person.expected.add(503)
    ask(person)
    says(person, "errors.sms_budget_spent", r"[45] minutos")
    person.look("register without a budget")

    admin.locator("#usage-refresh").click()
    admin.reads("#breaker-state", "usage.held")
    spent = admin.text("usage.steps.spent", scope="All messages", cause="the hourly budget is spent", until="|").split("|")[0]
    expect(admin.locator("#breaker-scopes li")).to_contain_text(spent)
    expect(admin.locator("#usage-failed li")).to_have_text(["Budget spent: 1"])
    admin.look("settings with a spent budget")

    # A larger budget ends it, and then the limit of the address is next.
    admin.locator("#budget-all-hour-messages").fill("100")
    admin.locator("#limit-address-hour").fill("1")
    admin.locator("#settings-submit").click()
    admin.reads("#status", "settings_saved")
    person.advance(CACHED)
    admin.locator("#usage-refresh").click()
    admin.reads("#breaker-state", "usage.normal")
    ask(person)
    says(person, "errors.too_many_requests", r"\d\d minutos")
    person.look("register too often")
    admin.close()
    person.close()


def ask(person):
    person.open("/register#phone")
    person.at("register")
    person.locator("#phone").fill(Phone(person.language).written)
    person.locator("#phone-submit").click()


def says(person, key, wait):
    """The page says this, with how long to wait."""
    text = re.escape(person.text(key, wait="WAIT")).replace("WAIT", wait)
    expect(person.locator("#problem")).to_have_text(re.compile(f"^{text}$"))
