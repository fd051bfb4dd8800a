"""The keyboard alone is enough."""

import pytest

from tests.factories import a_ce
from tests.web.browser.people import Meet, Person
from tests.web.browser.prepared import Prepared
from worker.services.operate import ce_inventory

OUTLINE = """() => {
  const style = getComputedStyle(document.activeElement);
  return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
}"""
HAS_SEEN_ALL = """() => {
  const all = 'a[href], button, summary, input:not([type=hidden]), select, textarea, [tabindex]';
  return [...document.querySelectorAll(all)].filter(one => one.checkVisibility()
    && !window.hadFocus.has(one) && one.tabIndex >= 0).map(one => one.outerHTML.slice(0, 120));
}"""


@pytest.fixture
def typist(person: Meet) -> Person:
    """Somebody who has no pointer."""
    person_with_keys: Person = person()
    return person_with_keys


def test_the_first_tab_skips_to_the_content(typist: Person) -> None:
    typist.go("/")
    typist.press("Tab")
    assert typist.focus() == "Skip to the content"
    typist.press("Enter", "Tab")

    assert typist.page.evaluate("() => document.activeElement.closest('main') !== null")


@pytest.mark.parametrize(
    "path", ["/", "/pilots", "/ces/lyon", "/tasks", "/explain?ce=lyon&vo=lhcb"]
)
def test_the_tab_key_comes_to_everything_and_the_focus_is_visible(
    typist: Person, path: str
) -> None:
    typist.go(path)
    typist.until_text(".live", "live")
    typist.press(".")  # a renewal would replace the element
    typist.page.evaluate("() => { window.hadFocus = new Set() }")
    typist.press("Tab")
    while typist.focus():
        typist.page.evaluate("() => window.hadFocus.add(document.activeElement)")
        assert typist.page.evaluate(OUTLINE), typist.focus()
        typist.press("Tab")

    assert typist.page.evaluate(HAS_SEEN_ALL) == []


def test_a_slash_goes_to_the_search(typist: Person) -> None:
    typist.go("/")
    typist.press("/")
    typist.page.keyboard.type("lyon")
    typist.press("Enter")
    typist.page.wait_for_url("**/ces/lyon")


@pytest.mark.parametrize(
    ("key", "path"), [("o", "/"), ("p", "/pilots"), ("e", "/explain"), ("c", "/ces")]
)
def test_two_keys_go_to_a_page(typist: Person, key: str, path: str) -> None:
    typist.go("/audit")
    typist.press("g", key)
    typist.page.wait_for_url(f"{typist.home}{path}")


def test_keys_go_through_rows_and_open_one(typist: Person) -> None:
    typist.go("/vos")
    typist.press("j", "j", "j", "k")
    names = typist.page.locator("tbody th").all_inner_texts()
    assert typist.focus() == names[1]
    typist.press("Enter")
    typist.page.wait_for_url(f"**/vos/{names[1]}")


def test_keys_select_pilots_and_cancel_after_a_question(typist: Person) -> None:
    typist.go("/pilots?ce=lyon&status=submitted")
    typist.press("j", "x", "j", "x", "k", "x")
    assert typist.page.locator("tbody input:checked").count() == 1
    typist.press("a")
    typist.page.wait_for_url("**/pilots/cancel?**")

    assert typist.headline.startswith("Cancel ")


def test_brackets_go_to_the_tick_before_and_after(typist: Person, prepared: Prepared) -> None:
    typist.go(prepared.reasons[5])
    first = typist.headline
    typist.press("[")
    typist.page.wait_for_function(
        "was => document.querySelector('h1').innerText !== was", arg=first
    )
    typist.press("]")
    typist.until_text("h1", first)


def test_a_full_stop_stops_and_goes_on(typist: Person) -> None:
    typist.go("/")
    typist.until_text(".live", "live")
    typist.press(".")
    typist.until_text(".live", "stopped at")
    typist.press(".")
    typist.until_text(".live", "live")


def test_the_keys_are_shown_and_can_be_turned_off(typist: Person) -> None:
    typist.go("/")
    typist.press("?")
    assert typist.page.is_visible("text=search")
    typist.press("Tab", " ")
    assert typist.focus() == "keys-on"
    typist.go("/")
    typist.press("g", "p", "?")

    assert not typist.page.is_visible("#keys dl")
    assert typist.page.url == f"{typist.home}/"


def test_letters_that_are_typed_are_no_keys(typist: Person) -> None:
    typist.go("/ces")
    typist.page.focus("#search")
    typist.page.keyboard.type("gp/?.")

    assert typist.page.input_value("#search") == "gp/?."


def test_a_whole_form_is_filled_and_sent(typist: Person, prepared: Prepared) -> None:
    place = prepared.world.ce(a_ce())
    typist.go(f"/ces/{place.name}")
    typist.tab_to("details.edit:has(input[name=capacity]) > summary")
    typist.press("Enter", "Tab")
    assert typist.page.evaluate("() => document.activeElement.form !== null")
    typist.tab_to("input[name=capacity]")
    typist.press("Control+a")
    typist.page.keyboard.type("77")
    typist.tab_to("form:has(input[name=capacity]) button")
    typist.press("Enter")
    typist.until_text(".message", "")

    assert ce_inventory.show_ce(prepared.world.runtime(), place.name).capacity == 77
