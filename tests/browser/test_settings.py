"""The admin's page: the key that opens it, a bad and a good Clickatell key, and the test message."""

from playwright.sync_api import expect

from people import Phone


def test_settings_with_a_bad_and_a_good_key(person, stack):
    person.open("/settings")
    person.at("settings")
    person.locator("#admin-key").fill("guessed")
    person.locator("#key-submit").click()
    person.reads("#admin-key-error", "errors.invalid_admin_key")
    person.look("settings with a wrong key")
    person.locator("#admin-key").fill(stack.admin_key)
    person.locator("#key-submit").click()
    expect(person.locator("#settings-form")).to_be_visible()
    person.look("opened settings")

    person.inbox.fault("bad_key")
    try:
        person.locator("#clickatell-key").fill("mistyped-key==")
        person.locator("#settings-submit").click()
        person.reads("#clickatell-key-error", "errors.clickatell_key_rejected")
        person.look("settings with a refused key")
    finally:
        person.inbox.fault("none")
    person.locator("#clickatell-key").fill("good-key-4f2a==")
    person.locator("#settings-submit").click()
    person.reads("#status", "settings_saved")
    expect(person.locator("#key-hint")).to_contain_text("…4f2a")

    phone = Phone(person.language)
    person.locator("#test-phone").fill(phone.written)
    person.locator("#test-submit").click()
    message = person.inbox.newest(phone)
    expect(message.locator(".text")).to_contain_text("una prueba" if person.language == "es" else "this is a test")
    expect(person.locator("#test-result")).to_contain_text(message.get_attribute("data-id"))

    person.locator("#site-host").fill("http://example.com/")
    person.locator("#settings-submit").click()
    person.reads("#site-host-error", "errors.invalid_setting")
    person.locator("#site-host").fill("localhost")
    person.locator("#countries-some").check()
    person.locator("#add-country").fill("espa" if person.language == "es" else "spai")
    person.locator("#add-country").press("Enter")
    expect(person.locator("#countries li")).to_have_count(1)
    person.look("settings with some countries")

    # What was not saved is not there afterwards, nor is the key.
    person.page.reload()
    person.at("settings")
    expect(person.locator("#opened")).to_be_hidden()
