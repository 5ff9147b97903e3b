"""Fixtures: one stack, one browser, and a new person for each test."""

import pytest
from playwright.sync_api import expect, sync_playwright

import chrome
from people import Person
from stack import OUTPUT, Stack

expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
def stack():
    stack = Stack()
    yield stack
    stack.close()


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chrome.find(), args=chrome.ARGUMENTS)
        yield browser
        browser.close()


# Every journey runs in three languages and widths, without all nine combinations.
READERS = {"English, wide": ("en", 1280), "Spanish, narrow": ("es", 320), "Arabic, phone": ("ar", 390)}


def only(reader):
    """For a test that needs no more than one reader."""
    return pytest.mark.parametrize("person", [READERS[reader]], ids=[reader], indirect=True)


@pytest.fixture(params=READERS.values(), ids=READERS.keys())
def person(request, browser, stack):
    yield from a_person(request, browser, stack)


def a_person(request, browser, stack):
    person = Person(browser, stack, *request.param)
    yield person
    if request.node.failed:
        person.page.screenshot(path=OUTPUT / f"{request.node.name}.png", full_page=True)
    person.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    item.failed = getattr(item, "failed", False) or report.failed
    return report
