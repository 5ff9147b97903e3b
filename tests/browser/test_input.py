"""Input as people type it: digits of their keyboard, numbers as they write them, countries as they call them."""

import re

import pytest
from playwright.sync_api import expect

from conftest import a_person
from people import Person, Phone, fresh_email

ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
DEVANAGARI = str.maketrans("0123456789", "०१२३४५६७८९")
FULL_WIDTH = str.maketrans("0123456789+", "０１２３４５６７８９＋")


# What is typed here depends on the language, and these two write numbers and names of countries differently.
@pytest.fixture(params=[("en", 1280), ("es", 320)], ids=["English, wide", "Spanish, narrow"])
def person(request, browser, stack):
    yield from a_person(request, browser, stack)


@pytest.fixture
def phone_user(browser, stack):
    """One person in English on a phone."""
    person = Person(browser, stack, "en", 390)
    yield person
    person.close()


def choose(person, search):
    person.locator("#country").fill(search)
    person.locator("#country").press("Enter")


@pytest.mark.parametrize("digits", [ARABIC, PERSIAN, DEVANAGARI, FULL_WIDTH], ids=["Arabic", "Persian", "Devanagari", "full width"])
def test_digits_of_every_script_are_read(phone_user, digits):
    person = phone_user
    person.open("/register#phone")
    person.at("register")
    person.locator("#phone").fill(person.phone.e164.translate(digits))
    person.locator("#phone-submit").click()
    person.at("code")
    person.locator("#code").press_sequentially(person.inbox.code(person.phone).translate(digits))
    person.at("name")


def test_pasted_marks_are_cleaned(phone_user):
    person = phone_user
    person.open("/register#phone")
    person.at("register")
    number = person.phone.e164
    person.locator("#phone").fill(f"\u202a{number[:2]}\u00a0({number[2:5]})\u2011{number[5:]}\u202c")
    person.locator("#phone-submit").click()
    person.at("code")
    person.locator("#code").fill(f"\u200e{person.inbox.code(person.phone)}\u00a0")
    person.at("name")
    person.locator("#name").fill("\u202aAda\u00a0Lovelace\u202c")
    person.locator("#email").fill(f"\u200e{person.email}\u00a0")
    person.locator("#name-submit").click()
    person.at("profile")
    expect(person.locator("#name")).to_have_value("Ada Lovelace")
    expect(person.locator("#email")).to_have_value(person.email)


def test_a_hidden_character_in_a_name_is_refused_with_words_that_help(person):
    person.open("/register#email")
    person.at("register")
    person.locator("#name").fill("Ada\u200b Lovelace")
    person.locator("#email").fill(person.email)
    person.locator("#password").fill("seven purple bicycles sing")
    person.locator("#password-submit").click()
    expect(person.locator("#name-error")).to_contain_text(person.text("hidden_in_name"))
    person.locator("#name").fill("علی\u200cرضا 👩\u200d🚀")
    person.locator("#password-submit").click()
    person.at("profile")


@pytest.mark.parametrize(
    "country, number, e164",
    [
        ("UK", "07911 12{:04}", "+44791112{:04}"),
        ("Germany", "0151/2345 {:04}", "+491512345{:04}"),
        ("Argentina", "11 2345-{:04}", "+549112345{:04}"),
        ("Argentina", "011 15-2346-{:04}", "+549112346{:04}"),
        ("Barbados", "230 {:04}", "+1246230{:04}"),
        ("Spain", "34 611 00 {:04}", "+3461100{:04}"),
        ("Spain", "0044 7911 13{:04}", "+44791113{:04}"),
    ],
)
def test_numbers_as_people_write_them(phone_user, country, number, e164):
    person = phone_user
    person.open("/register#phone")
    person.at("register")
    choose(person, country)
    each = int(Phone("en").e164[-4:])
    person.locator("#phone").fill(number.format(each))
    person.locator("#phone-submit").click()
    person.at("code")
    person.phone.e164 = e164.format(each)
    person.enter(person.inbox.code(person.phone))
    person.at("name")


def test_a_refused_number_shows_the_expected_form(person):
    person.open("/register#phone")
    person.at("register")
    person.locator("#phone").fill("123")
    person.locator("#phone-submit").click()
    example = "612" if person.language == "es" else "(201)"
    expect(person.locator("#phone-error")).to_contain_text(person.text("errors.invalid_phone"))
    expect(person.locator("#phone-error")).to_contain_text(example)
    person.look("register with an invalid number")


@pytest.mark.parametrize(
    "search, region, code",
    [
        ("UK", "GB", "+44"), ("USA", "US", "+1"), ("uae", "AE", "+971"), ("Holland", "NL", "+31"), ("Côte d'Ivoire", "CI", "+225"),
        ("cote divoire", "CI", "+225"), ("Ivory Coast", "CI", "+225"), ("EEUU", "US", "+1"), ("EE. UU.", "US", "+1"), ("+44", "GB", "+44"), ("٤٤", "GB", "+44"),
        ("Deutschland", "DE", "+49"), ("España", "ES", "+34"), ("espana", "ES", "+34"), ("日本", "JP", "+81"), ("مصر", "EG", "+20"),
        ("Turkey", "TR", "+90"), ("Türkiye", "TR", "+90"), ("South Korea", "KR", "+82"), ("gb", "GB", "+44"), ("England", "GB", "+44"),
        ("ukr", "UA", "+380"), ("Россия", "RU", "+7"), ("Czech Republic", "CZ", "+420"),
    ],
)
def test_countries_are_found_by_the_names_that_people_use(person, search, region, code):
    person.open("/register#phone")
    person.at("register")
    names = person.page.evaluate("([language, region]) => new Intl.DisplayNames(language, {type: 'region'}).of(region)", [person.language, region])
    choose(person, search)
    expect(person.locator("#country")).to_have_value(names)
    expect(person.locator("#phone-code")).to_have_text(code)


def test_an_internationalised_address_and_a_recovery_code_with_dashes_are_accepted(phone_user):
    person = phone_user
    person.email = f"ada{fresh_email().split('@')[0]}@bücher.example"
    person.register_with_password()
    expect(person.locator("#email")).to_have_value(re.compile("@xn--bcher-kva.example$"))
    codes = person.add_phone()
    person.sign_out()
    person.log_in_with_password()
    person.at("code")
    person.locator("#use-recovery").click()
    person.locator("#recovery-code").fill(codes[0].lower().replace("-", " \u2013 ") + "\u00a0")
    person.locator("#recovery-submit").click()
    person.at("profile")
