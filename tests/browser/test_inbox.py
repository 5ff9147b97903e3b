"""The inbox page for developers: it updates live, and its buttons work."""

import json
import re
import urllib.request

import pytest
from playwright.sync_api import expect

from people import Page, Phone, eventually, look_at


@pytest.fixture
def inbox(browser, stack):
    inbox = Page(browser, stack.sandbox)
    yield inbox
    inbox.close()


def ask(stack, method, path, body=None):
    request = urllib.request.Request(f"{stack.site}/v1{path}", method=method, data=body and json.dumps(body).encode(), headers={"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def test_messages_appear_live_and_buttons_send_delivery_reports(inbox, stack):
    phone = Phone("en")
    page = inbox.page
    page.goto(f"{inbox.origin}/inbox?to={phone.e164.lstrip('+')}")
    expect(page.locator("#empty")).to_be_visible()
    expect(page.locator("#connection")).not_to_have_class("lost")
    page.locator("#mode").select_option("no_callbacks")
    page.locator("#to").fill(phone.e164)
    page.locator("#set-fault").click()
    expect(page.locator("#fault")).to_have_class(re.compile("active"))
    look_at(page, "inbox with a fault")

    challenge = ask(stack, "POST", "/register/phone", {"phone": phone.e164})
    message = page.locator("#messages li")
    expect(message).to_have_count(1)
    expect(message.locator(".number")).to_have_text(phone.e164)
    code = message.locator(".code").inner_text()
    assert re.fullmatch(r"\d{6}", code)
    message.locator(".copy").click()
    expect(message.locator(".copy")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == code

    message.locator(".failed").click()
    expect(message.locator(".status")).to_have_text("Failed")
    delivery = lambda: ask(stack, "GET", f"/codes/{challenge['challenge_id']}")["delivery"]
    eventually(page, "the report", lambda: delivery() == "failed")
    page.set_viewport_size({"width": 320, "height": 900})
    look_at(page, "narrow inbox")
    page.locator("#no-fault").click()
    expect(page.locator("#fault")).not_to_have_class(re.compile("active"))
