"""The page of users: an operator finds a user, helps, and does nothing by accident."""

import pytest
from playwright.sync_api import expect

from conftest import only
from people import Person

ENGLISH = only("English, wide")


def open_users(person, key):
    person.open("/users")
    person.at("users")
    person.locator("#admin-key").fill(key)
    person.locator("#key-submit").click()
    expect(person.locator("#opened")).to_be_visible()


def find(person, what):
    person.locator("#find").fill(what)
    person.locator("#find-submit").click()
    expect(person.locator("#user")).to_be_visible()


@pytest.fixture
def member(browser, stack):
    member = Person(browser, stack, "en", 1280)
    member.register_with_password()
    yield member
    member.close()


def test_an_operator_finds_and_helps_a_user(person, stack, member):
    email = member.email
    open_users(person, stack.admin_key)
    expect(person.locator("#users li").first).to_be_visible()
    find(person, email)
    expect(person.locator("#user-email")).to_contain_text("•••@")
    person.look("a user")
    person.locator("#show-user").click()
    expect(person.locator("#user-email")).to_contain_text(email)
    expect(person.locator("#show-user")).to_be_hidden()

    person.locator("#disable").click()
    person.locator("#confirm-no").click()
    person.reads("#user-state", "active")
    person.locator("#disable").click()
    person.locator("#confirm-yes").click()
    person.reads("#status", "done")
    person.reads("#user-state", "disabled")
    member.open("/profile")
    member.at("login")
    person.locator("#enable").click()
    person.reads("#user-state", "active")
    person.locator("#unlock").click()
    person.reads("#status", "done")
    expect(person.locator("#activity li").first).to_be_visible()
    person.look("a user after changes")

    person.locator("#delete").click()
    person.locator("#confirm-yes").click()
    expect(person.locator("#user")).to_be_hidden()
    person.locator("#find").fill(email)
    person.locator("#find-submit").click()
    person.reads("#find-error", "none")


@ENGLISH
def test_the_page_is_locked_without_a_valid_key(person, stack, member):
    person.open("/users")
    person.at("users")
    person.locator("#admin-key").fill("wrong")
    person.locator("#key-submit").click()
    person.reads("#admin-key-error", "errors.invalid_admin_key")
    person.locator("#admin-key").fill(stack.admin_key)
    person.locator("#key-submit").click()
    expect(person.locator("#users li").first).to_be_visible()
    person.locator("#lock").click()
    expect(person.locator("#opened")).to_be_hidden()
    expect(person.locator("#users li")).to_have_count(0)


@ENGLISH
def test_an_admin_who_is_signed_in_needs_no_key(person, stack):
    person.register_with_password()
    person.set_app_up()
    person.save_codes()
    headers = {"authorization": f"Bearer {stack.admin_key}"}
    users = f"{stack.site}/v1/admin/users"
    found = person.page.request.get(users, headers=headers, params={"email": person.email}).json()
    route = f"{users}/{found['items'][0]['id']}/role"
    answer = person.page.request.put(route, headers=headers, data={"role": "admin"})
    assert answer.status == 204, answer.text()
    person.open("/users")
    person.at("users")
    expect(person.locator("#users li").first).to_be_visible()
    expect(person.locator("#key-form")).to_be_hidden()
    person.open("/settings")
    person.at("settings")
    expect(person.locator("#usage")).to_be_visible()
