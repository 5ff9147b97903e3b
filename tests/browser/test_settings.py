"""The settings page: the admin key, a bad and a good Clickatell key, the test message, costs and usage."""

import pytest
from playwright.sync_api import expect

from conftest import a_person
from people import Phone


REGIONS = {"en": "US", "es": "ES"}


# What is typed here depends on the language, and these two write numbers and names of countries differently.
@pytest.fixture(params=[("en", 1280), ("es", 320)], ids=["English, wide", "Spanish, narrow"])
def person(request, browser, stack):
    yield from a_person(request, browser, stack)


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
    assert ("un mensaje de prueba" if person.language == "es" else "this is a test message") in message["content"]
    expect(person.locator("#test-result")).to_contain_text(message["api_message_id"])

    person.locator("#site-host").fill("example.com/shop")
    person.locator("#settings-submit").click()
    expect(person.locator("#site-host-error")).to_contain_text(person.text("errors.invalid_setting"))
    expect(person.locator("#site-host-error")).to_contain_text("example.com")
    person.locator("#site-host").fill("https://LOCALHOST/")
    person.locator("#site-name").fill("Café 24/7")
    person.locator("#clickatell-from").fill("+1 (202) 555-0100")
    person.locator("#settings-submit").click()
    person.reads("#status", "settings_saved")
    expect(person.locator("#site-host")).to_have_value("localhost")
    expect(person.locator("#clickatell-from")).to_have_value("12025550100")
    person.locator("#site-name").fill("Example")
    person.locator("#clickatell-from").fill("")
    person.locator("#settings-submit").click()
    person.reads("#status", "settings_saved")
    person.locator("#countries-some").check()
    person.locator("#add-country").fill("espa" if person.language == "es" else "spai")
    person.locator("#add-country").press("Enter")
    expect(person.locator("#countries li")).to_have_count(1)
    person.look("settings with some countries")

    # A reload loses unsaved changes and the admin key.
    person.page.reload()
    person.at("settings")
    expect(person.locator("#opened")).to_be_hidden()


def test_costs_are_saved_and_loaded(person, stack):
    person.open_settings(stack.admin_key)
    spanish = person.language == "es"
    # Numbers are in the language's format, and only changes are sent.
    person.locator("#budget-all-day-spend").fill("12,5" if spanish else "12.5")
    person.locator("#price").fill("0,07" if spanish else "0.06")
    person.locator("#prices summary").click()
    person.locator("#add-price").fill("fran" if spanish else "spai")
    person.locator("#add-price").press("Enter")
    region = "FR" if spanish else "ES"
    expect(person.locator(f"#price-{region}")).to_be_focused()
    person.locator(f"#price-{region}").fill("0,000001" if spanish else "0.000001")
    person.locator("#budget-all-month-messages").fill("")
    change = saved(person)
    assert change["budgets"]["all"]["day"] == {"messages": 1000, "spend": 12_500_000}
    assert change["budgets"]["all"]["month"] == {"messages": None, "spend": None}
    assert change == {
        "budgets": {"all": change["budgets"]["all"]},
        "prices": {"default": 70_000 if spanish else 60_000, "countries": {region: 1}},
    }

    person.page.reload()
    person.open_settings(stack.admin_key)
    expect(person.locator("#budget-all-day-spend")).to_have_value("12,50" if spanish else "12.50")
    expect(person.locator("#budget-all-month-messages")).to_have_value("")
    expect(person.locator("#price-count")).to_have_text("(1)")
    person.locator("#prices summary").click()
    expect(person.locator(f"#price-{region}")).to_have_value("0,000001" if spanish else "0.000001")
    person.look("settings with a price of a country")

    # A country's own budget, and its removal.
    person.locator("#budgets summary").click()
    person.locator("#add-budget").fill("chil")
    person.locator("#add-budget").press("Enter")
    person.locator("#budget-CL-hour-messages").fill("7")
    person.locator("#price-countries button").click()
    person.locator("#budget-all-month-messages").fill("10000")
    person.locator("#budget-all-day-spend").fill("")
    person.look("settings with the budget of a country")
    change = saved(person)
    assert change["budgets"]["countries"]["CL"]["hour"] == {"messages": 7, "spend": None}
    assert change["prices"] == {"countries": {}}
    person.locator("#budget-countries button").click()
    assert saved(person) == {"budgets": {"countries": {}}}
    person.locator("#settings-submit").click()
    person.reads("#status", "nothing_changed")


def test_the_look_of_the_site(person, stack):
    person.open_settings(stack.admin_key)
    person.locator("#theme-accent").fill("#ffff00")
    person.locator("#settings-submit").click()
    person.reads("#theme-accent-error", "look.invalid_accent")
    expect(person.locator("#unsaved")).to_be_visible()
    person.locator("#theme-accent").fill("#8a1c5c")
    person.locator("#theme-logo").fill("https://cdn.example/logo.svg")
    person.locator("#theme-radius").select_option("0")
    person.locator("#link-privacy").fill("http://example.com/privacy")
    person.locator("#settings-submit").click()
    person.reads("#link-privacy-error", "look.invalid_url")
    person.look("settings with refused links")
    person.locator("#link-privacy").fill("https://example.com/privacy")
    assert saved(person) == {
        "theme": {"logo_url": "https://cdn.example/logo.svg", "accent": "#8a1c5c", "radius": "0"},
        "links": {"privacy": "https://example.com/privacy"},
    }
    expect(person.locator("#unsaved")).to_be_hidden()

    # A visitor sees it when the pages have read the settings anew. The browser asks only the logo's own origin for it.
    person.friends.add("https://cdn.example")
    picture = '<svg xmlns="http://www.w3.org/2000/svg" width="80" height="20"><rect width="80" height="20" fill="#8a1c5c"/></svg>'
    person.context.route("https://cdn.example/**", lambda route: route.fulfill(content_type="image/svg+xml", body=picture))
    person.advance(31)
    person.open("/login")
    person.at("login")
    person.look("sign in with the look of a site")
    assert person.locator(".brand img").evaluate("image => image.complete && image.naturalWidth") == 80
    colour = "getComputedStyle(document.querySelector('#phone-submit')).backgroundColor"
    assert person.page.evaluate(colour) == "rgb(138, 28, 92)"
    expect(person.locator("footer a")).to_have_count(1)
    expect(person.locator("footer a")).to_have_attribute("href", "https://example.com/privacy")

    person.open_settings(stack.admin_key)
    for field in ["theme-logo", "theme-accent", "link-privacy"]:
        person.locator(f"#{field}").fill("")
    person.locator("#theme-radius").select_option("")
    saved(person)
    person.advance(31)
    person.open("/login")
    person.at("login")
    expect(person.locator("footer a")).to_have_count(0)


def test_clients_are_added_changed_renewed_and_removed(person, stack):
    person.open_settings(stack.admin_key)
    person.locator("#new-client").click()
    person.locator("#client-name").fill("Shop")
    person.locator("#client-redirects").fill("http://shop.example/callback")
    person.locator("#client-submit").click()
    person.reads("#client-redirects-error", "clients.invalid_addresses")
    person.look("settings with a refused client")
    person.locator("#client-redirects").fill("https://shop.example/callback\n\nhttps://shop.example/other")
    person.locator("#client-submit").click()
    expect(person.locator("#client-secret-note")).to_be_visible()
    snippet = person.locator("#snippet")
    first = dict(line.split("=", 1) for line in snippet.inner_text().splitlines())
    assert first["ISSUER"] == person.origin and first["DISCOVERY"].startswith(person.origin)
    person.look("settings with a new client")
    person.locator("#snippet-stack").select_option("apache")
    expect(snippet).to_contain_text("OIDCRedirectURI https://shop.example/callback")
    person.locator("#copy-snippet").click()
    person.reads("#snippet-status", "copied")
    assert first["CLIENT_SECRET"] in person.page.evaluate("navigator.clipboard.readText()")
    person.locator("#snippets-done").click()
    expect(snippet).to_be_empty()

    entry = person.locator("#clients li").filter(has_text=first["CLIENT_ID"])
    entry.get_by_role("button", name=person.text("clients.edit")).click()
    expect(person.locator("#client-redirects")).to_have_value("https://shop.example/callback\nhttps://shop.example/other")
    person.locator("#client-name").fill("Bookshop")
    person.locator("#client-submit").click()
    expect(person.locator("#client-secret-note")).to_be_hidden()
    expect(entry).to_contain_text("Bookshop")
    entry.get_by_role("button", name=person.text("clients.renew")).click()
    person.locator("#confirm-yes").click()
    expect(person.locator("#client-secret-note")).to_be_visible()
    assert first["CLIENT_SECRET"] not in snippet.inner_text()
    entry.get_by_role("button", name=person.text("remove")).click()
    person.locator("#confirm-yes").click()
    person.reads("#status", "clients.removed", name="Bookshop")
    expect(entry).to_have_count(0)


def saved(person):
    """Saves the settings and returns the request's body."""
    with person.page.expect_request(lambda request: request.method == "PUT") as request:
        person.locator("#settings-submit").click()
    person.reads("#status", "settings_saved")
    return request.value.post_data_json


# A thousands separator is ambiguous. The service rejects the rest.
@pytest.mark.parametrize(
    "part, field, wrong",
    [
        ("budgets", "budget-all-month-spend", {"en": "1,000", "es": "1.000"}),
        ("budgets", "budget-all-hour-messages", "12 or so"),
        ("budgets", "budget-all-hour-messages", "1000000001"),
        ("budgets", "budget-each-day-messages", "-1"),
        ("prices", "currency", "euro"),
        ("prices", "price", ""),
        ("limits", "limit-prefix-hour", "0"),
        ("breaker", "breaker-share", "1001"),
    ],
)
def test_invalid_costs_are_rejected_and_kept_in_the_form(person, stack, part, field, wrong):
    person.open_settings(stack.admin_key)
    typed = wrong if isinstance(wrong, str) else wrong[person.language]
    if "each" in field:
        person.locator(f"#{part} summary").click()
    person.locator(f"#{field}").fill(typed)
    if "each" in field:
        person.locator(f"#{part} summary").click()
    person.locator("#site-name").fill("Another name")
    person.locator("#settings-submit").click()
    person.reads(f"#{part}-error", f"money.invalid_{part}")
    person.reads("#problem", "check_fields")
    expect(person.locator(f"#{field}")).to_be_focused()
    expect(person.locator(f"#{field}")).to_have_value(typed)
    expect(person.locator(f"#{field}")).to_have_attribute("aria-invalid", "true")
    expect(person.locator("#site-name")).to_have_value("Another name")
    person.look(f"settings with wrong {part}")


def test_usage_after_a_registration(person, stack):
    person.register_by_phone()
    person.open_settings(stack.admin_key)
    figures = person.locator("#usage-total dd")
    expect(figures).to_have_count(8)
    country = "España" if person.language == "es" else "United States"
    row = person.locator("#usage-countries tr").filter(has_text=country).first
    expect(row.locator("th")).to_have_text(country)
    expect(row.locator("td")).to_have_count(8)
    expect(person.locator("#usage-chart rect.sent")).to_have_count(30)
    tallest = person.locator("#usage-chart rect.sent").last.evaluate("bar => Number(bar.getAttribute('height'))")
    assert tallest == 140, "today has the most messages"
    before = int(figures.first.inner_text())
    assert before >= 1
    person.reads("#breaker-state", "usage.normal")
    person.look("settings with usage")

    # The table scrolls in its own region, which has keyboard focus.
    with person.page.expect_download() as saved_file:
        person.locator("#usage-csv").click()
    lines = saved_file.value.path().read_text().splitlines()
    assert lines[0].startswith("day,country,sent,delivered") and any(f",{REGIONS[person.language]}," in line for line in lines[1:])

    region = person.locator("#usage-countries")
    region.focus()
    expect(region).to_be_focused()
    wider = region.evaluate("region => region.scrollWidth > region.clientWidth")
    assert wider == (person.width < 400)

    phone = Phone(person.language)
    person.locator("#test-phone").fill(phone.written)
    person.locator("#test-submit").click()
    person.inbox.newest(phone)
    expect(person.locator("#test-result")).to_contain_text(person.text("test_sent", id=""))
    person.locator("#usage-refresh").click()
    expect(figures.first).to_have_text(str(before + 1))


def test_a_second_sender_is_set_up_and_its_secret_shown_once(person, stack):
    person.open_settings(stack.admin_key)
    person.locator("#sender-order").select_option("clickatell,webhook")
    person.locator("#settings-submit").click()
    expect(person.locator("#sender-order-error")).not_to_be_empty()
    person.locator("#sender-url").fill("http://shop.example/sms")
    person.locator("#settings-submit").click()
    expect(person.locator("#sender-url-error")).not_to_be_empty()
    person.locator("#sender-url").fill("https://shop.example/sms")
    person.locator("#settings-submit").click()
    expect(person.locator("#sender-secret")).to_contain_text("whsec_")
    expect(person.locator("#sender-status-url")).to_contain_text("/v1/sms/status/")
    person.look("the secret of a hook")
    person.open_settings(stack.admin_key)
    expect(person.locator("#sender-order")).to_have_value("clickatell,webhook")
    expect(person.locator("#sender-secret")).to_be_hidden()
    person.locator("#sender-order").select_option("clickatell")
    person.locator("#sender-url").fill("")
    person.locator("#settings-submit").click()
    person.reads("#status", "settings_saved")
    expect(person.locator("#sender-url")).to_have_value("")
