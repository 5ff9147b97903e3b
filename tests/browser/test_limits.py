"""What users and the operator see when the limits of a deployment are reached."""

import re
import time

import pytest
from playwright.sync_api import expect

from people import Person, Phone
from stack import Stack

# Functions cache the settings and the breaker for 30 seconds.
CACHED = 31


@pytest.fixture
def strict(browser):
    stack = Stack(limits="deployed")
    # Start early in a clock hour, so that it doesn't end during the test.
    stack.clock.advance(3600 - int(time.time()) % 3600 + 60)
    yield stack
    stack.close()


def test_users_and_the_operator_see_a_spent_budget(browser, strict):
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
    person.look("code with a spent budget")

    # When every function has loaded the breaker, a start is rejected before anything is written.
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

    # A larger budget reopens sending. Then the limit by client IP applies.
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
    """The page shows this text with a wait that matches the pattern."""
    text = re.escape(person.text(key, wait="WAIT")).replace("WAIT", wait)
    expect(person.locator("#problem")).to_have_text(re.compile(f"^{text}$"))
