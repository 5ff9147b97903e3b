"""Takes the README's screenshots in `docs/images`: each page at a phone's width, light and dark."""

from playwright.sync_api import expect, sync_playwright

import chrome
from people import Person
from stack import ROOT, Stack

IMAGES = ROOT / "docs" / "images"
SIZE = {"width": 390, "height": 780}

expect.set_options(timeout=60_000)


def shoot(person, name, top="body"):
    """Takes a screenshot in both colour schemes, from the top of the page or of an element, without the cursor."""
    for scheme in ("light", "dark"):
        person.page.emulate_media(color_scheme=scheme)
        person.page.evaluate(f"scrollTo(0, document.querySelector({top!r}).getBoundingClientRect().top + scrollY - 16)")
        person.page.screenshot(path=IMAGES / f"{name}-{scheme}.png", caret="hide")


def main():
    IMAGES.mkdir(parents=True, exist_ok=True)
    stack = Stack()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chrome.find(), args=chrome.ARGUMENTS)
            person = Person(browser, stack, "en", SIZE["width"])
            person.page.set_viewport_size(SIZE)
            walk(person, stack)
            person.close()
            browser.close()
    finally:
        stack.close()


def walk(person, stack):
    person.open("/")
    person.at("home")
    shoot(person, "home")

    person.open("/register")
    person.at("register")
    person.locator("#phone").fill(person.phone.written)
    shoot(person, "register")
    person.locator("#phone-submit").click()
    person.at("code")
    code = person.inbox.code(person.phone)
    person.reads("#delivery", "delivery.delivered")
    shoot(person, "code")
    person.enter(code)
    person.at("name")
    shoot(person, "name")

    person.open("/login#email")
    person.at("login")
    shoot(person, "login")

    person.open("/register#email")
    person.at("register")
    person.register_with_password()
    person.phone = type(person.phone)(person.language)
    person.locator("#change-phone").click()
    person.ask_for_a_code(person.phone)
    person.enter(person.inbox.code(person.phone))
    expect(person.locator("#recovery-codes li")).to_have_count(10)
    shoot(person, "recovery-codes")
    person.locator("#codes-saved").click()
    person.at("profile")
    shoot(person, "profile")

    person.open_settings(stack.admin_key)
    shoot(person, "settings")
    shoot(person, "usage", "#usage")

    person.open("/docs")
    person.at("docs")
    shoot(person, "docs")


if __name__ == "__main__":
    main()
