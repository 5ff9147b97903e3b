"""Every page that needs no sign-in, in each language and width."""

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
def test_every_page_is_accessible(browser, stack, language, width):
    person = Person(browser, stack, language, width)
    for path, name in PAGES.items():
        # Load a new document each time, because a change of the hash alone doesn't.
        person.open("/code")
        person.open(path)
        person.at(name)
        person.look(path)
    person.close()
