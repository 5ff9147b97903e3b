"""Every page that can be opened without signing in, in each language at each width."""

import pytest

from people import LOCALES, Person

PAGES = {
    "/": "home",
    "/register#phone": "register",
    "/register#email": "register",
    "/register/name": "name",
    "/login#phone": "login",
    "/login#email": "login",
    "/code": "code",
    "/settings": "settings",
    "/docs": "docs",
}


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("language", LOCALES)
def test_every_page_can_be_read(browser, stack, language, width):
    person = Person(browser, stack, language, width)
    for path, name in PAGES.items():
        # A new document each time: a change of the hash alone would not be one.
        person.open("/code")
        person.open(path)
        person.at(name)
        person.look(path)
    person.close()
