"""Every page that needs no sign-in, in each language and width."""

import re

import html5lib
import pytest
from playwright.sync_api import expect

from people import LOCALES, Person

PAGES = {
    "/": "home",
    "/register#phone": "register",
    "/register#email": "register",
    "/register/name": "name",
    "/login#phone": "login",
    "/login#email": "login",
    "/code": "code",
    "/forgot#phone": "forgot",
    "/forgot#email": "forgot",
    "/reset": "reset",
    "/settings": "settings",
    "/users": "users",
    "/docs": "docs",
}


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("language", LOCALES)
def test_every_page_is_accessible(browser, stack, language, width):
    person = Person(browser, stack, language, width)
    for path, name in PAGES.items():
        person.load(path, name)
        person.at(name, view=path)
    person.close()


@pytest.mark.parametrize("path", [*dict.fromkeys(path.partition("#")[0] for path in PAGES), "/profile"])
def test_pages_are_valid_html(stack, browser, path):
    context = browser.new_context()
    html = context.request.get(stack.site + path, headers={"accept": "text/html"}).text()
    context.close()
    html5lib.HTMLParser(strict=True).parse(html)
    ids = re.findall(r' id="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    lists = re.findall(r' (?:for|aria-(?:controls|describedby|labelledby))="([^"]*)"', html)
    missing = {id for list in lists for id in list.split()} - set(ids)
    assert not missing


@pytest.mark.parametrize("language", LOCALES)
def test_pages_hold_with_text_of_twice_the_size(browser, stack, language):
    """WCAG 2.2, 1.4.4, at the width that a zoom of 400 % leaves of 1280 px (1.4.10)."""
    person = Person(browser, stack, language, 320)
    for path, name in PAGES.items():
        person.load(path, name)
        person.at(name, view=path)
        overflow = person.page.evaluate(
            """() => {
              document.documentElement.style.fontSize = "200%";
              return document.documentElement.scrollWidth - document.documentElement.clientWidth;
            }"""
        )
        assert overflow <= 0, f"{path} overflows by {overflow} px"
    person.close()


def test_pages_work_with_forced_colours(browser, stack):
    """The browser replaces all colours, so borders and outlines must show what is a field, a button, focused and selected."""
    person = Person(browser, stack, "en", 390)
    person.page.emulate_media(forced_colors="active")
    for path, name in PAGES.items():
        person.load(path, name)
        bare = person.page.evaluate(
            """() => [...document.querySelectorAll("main button, main .button, main input:not([type=radio], [type=checkbox]), main select, main textarea")]
              .filter((control) => control.offsetParent && !control.matches(".quiet, .remove"))
              .filter((control) => getComputedStyle(control).borderStyle === "none" || parseFloat(getComputedStyle(control).borderWidth) === 0)
              .map((control) => control.outerHTML.slice(0, 120))"""
        )
        assert not bare, f"{path}: controls without a border: {bare}"
        person.page.keyboard.press("Tab")
        outline = person.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", f"{path}: the focus does not show"
    person.close()


def test_a_path_that_does_not_exist_is_a_page(person):
    person.expected.add(404)
    person.open("/no/such/page")
    person.at("not-found")
    person.complaints.clear()
    answer = person.page.request.get(person.origin + "/no/such/page", headers={"accept": "application/json"})
    assert answer.status == 404 and answer.json()["code"] == "not_found"


def test_crawlers_password_managers_and_old_browsers_find_their_files(stack, browser):
    context = browser.new_context()
    ask = context.request
    moved = ask.get(f"{stack.site}/.well-known/change-password", max_redirects=0)
    assert moved.status == 302 and moved.headers["location"] == "/profile#new-password"
    robots = ask.get(f"{stack.site}/robots.txt")
    assert robots.ok and "Disallow: /v1/" in robots.text()
    icon = ask.get(f"{stack.site}/favicon.ico")
    assert icon.ok and icon.headers["content-type"] == "image/x-icon" and icon.body()[:4] == b"\0\0\1\0"
    for path in ["/", "/register", "/login", "/robots.txt", "/openapi.yaml"]:
        full, head = ask.get(stack.site + path), ask.head(stack.site + path)
        assert head.status == 200 and head.body() == b"", path
        for name in ["content-type", "etag", "cache-control", "content-security-policy"]:
            assert head.headers[name] == full.headers[name], (path, name)
    page = context.new_page()
    for path in ["/", "/register", "/login", "/docs"]:
        page.goto(stack.site + path)
        description = page.locator('meta[name="description"]').get_attribute("content")
        assert len(description) > 50
    page.goto(stack.site + "/code")
    assert page.locator('meta[name="robots"]').get_attribute("content") == "noindex"
    context.close()
