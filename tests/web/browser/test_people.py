"""What people may do and what they may not, and two people at once."""

from urllib.parse import quote

import pytest

from tests.web.browser.people import THEMES, WIDTHS, Meet, Person
from tests.web.browser.prepared import Prepared
from worker.domain.access import Role
from worker.domain.ce import CE
from worker.domain.errors import NotAllowed, title_of
from worker.services.operate import ce_inventory, tokens

POST = """async ([address, body]) => {
  const headers = {'Content-Type': 'application/x-www-form-urlencoded'};
  const answer = await fetch(address, {method: 'POST', headers, body});
  return answer.status;
}"""
POST_FORM = """([address, values]) => {
  const form = document.createElement('form');
  form.method = 'post';
  form.action = address;
  for (const [name, value] of Object.entries(values)) {
    const field = document.createElement('input');
    field.name = name;
    field.value = value;
    form.append(field);
  }
  document.body.append(form);
  form.submit();
}"""
SIGN_OUT = "Sign out"
PAGES = ("/", "/pilots", "/pilots/{running}", "/ces", "/ces/bari", "/vos", "/vos/lhcb", "/tasks")


def page_of(place: CE) -> str:
    return f"/ces/{quote(place.name, safe='')}"


def hold(person: Person, reason: str) -> None:
    """Hold the CE of the page that is open."""
    person.page.click("summary:has-text('Hold')")
    person.page.fill("#hold-reason", reason)
    person.page.click("button:has-text('Hold')")


def test_who_has_a_link_signs_in_once_and_out(person: Meet, prepared: Prepared) -> None:
    someone = person(None)
    someone.go("/ces")
    assert someone.headline == "Sign in"
    link = tokens.make_link(prepared.world.runtime(), "grace", Role.OPERATE).secret
    someone.go(f"/sign-in#{link}")
    someone.until_text(".who", "grace")
    someone.page.click(f"text={SIGN_OUT}")
    someone.until_text("h1", "Sign in")
    someone.go(f"/sign-in#{link}")
    someone.until_text("[role=alert]", "this link was used before")

    assert "#" not in someone.page.url


def test_a_wrong_token_is_refused(person: Meet) -> None:
    someone = person(None)
    someone.go("/sign-in")
    someone.page.fill("#secret", "plt_nonsense")
    someone.press("Enter")
    someone.until_text("[role=alert]", "this link was used before, or has expired")
    someone.page.context.add_cookies(
        [{"name": "pilotage_session", "value": "nonsense", "url": someone.home}]
    )
    someone.go("/ces/lyon")

    assert someone.headline == "Sign in"
    assert someone.page.url.endswith("/sign-in")


@pytest.mark.parametrize("path", PAGES)
def test_who_may_only_look_finds_no_button(person: Meet, prepared: Prepared, path: str) -> None:
    reader = person(Role.READ)
    reader.go(path.format(**prepared.pilots))
    forms = reader.page.locator("form[method=post]")

    assert forms.all_inner_texts() == [SIGN_OUT]
    assert reader.page.locator("main .danger").count() == 0


def test_who_may_only_look_is_refused_when_they_post_by_hand(person: Meet, place: CE) -> None:
    reader = person(Role.READ)
    reader.go(page_of(place))
    body = {"do": "hold", "reason": "because I can"}
    assert reader.page.evaluate(POST, [page_of(place), "do=hold&reason=because"]) == 403
    assert reader.page.evaluate(POST, ["/pilots/cancel", "ce=lyon&shown=1"]) == 403
    assert reader.page.evaluate(POST, ["/vos/lhcb", "do=disable"]) == 403
    with reader.page.expect_navigation():
        reader.page.evaluate(POST_FORM, [page_of(place), body])

    assert reader.headline == f"{title_of(NotAllowed)}."
    reader.go(page_of(place))
    assert "is normal" in reader.headline


def test_a_form_of_another_site_is_refused(person: Meet, place: CE) -> None:
    operator = person(Role.OPERATE)
    page = operator.page
    page.goto("data:text/html,<title>elsewhere</title>")
    with page.expect_navigation():
        page.evaluate(POST_FORM, [operator.home + page_of(place), {"do": "hold", "reason": "x"}])
    operator.go(page_of(place))

    assert "is normal" in operator.headline


def test_a_ce_is_held_with_a_reason_and_resumed_and_the_audit_names_the_person(
    person: Meet, place: CE
) -> None:
    operator = person(Role.OPERATE, who="grace")
    operator.go(page_of(place))
    hold(operator, "new disks")
    operator.until_text("h1", f"{place.name} is held", "new disks")
    operator.page.click("summary:has-text('Resume')")
    operator.page.fill("#resume-reason", "they work")
    operator.page.click("button:has-text('Resume')")
    operator.until_text("h1", "is normal")
    operator.go(f"/audit?of={place.name}")
    rows = operator.page.locator("#changes tbody tr").all_inner_texts()

    assert all("grace (person)" in row for row in rows[:2])
    assert "they work" in rows[0]
    assert "new disks" in rows[1]


def test_two_people_who_edit_the_same_see_both_and_decide(
    person: Meet, prepared: Prepared, place: CE
) -> None:
    one, other = person(who="ada"), person(who="grace")
    for each in (one, other):
        each.go(page_of(place))
        each.page.click("details.edit:has(input[name=capacity]) > summary")
    for each, value in ((one, "21"), (other, "34")):
        each.page.locator("input[name=capacity]").fill(value)
        each.page.locator("input[name=capacity]").press("Enter")
        each.page.wait_for_load_state()
    other.until_text("h1", f"ada (person) changed {place.name} while you edited it")
    row = other.page.inner_text(".conflict tbody tr")

    assert "21" in row
    assert "34" in row
    for width in WIDTHS:
        other.page.set_viewport_size({"width": width, "height": 900})
        for theme in THEMES:
            other.page.emulate_media(color_scheme=theme)
            assert other.barriers() == []
    other.page.click("text=Store my values")
    other.page.wait_for_load_state()
    assert ce_inventory.show_ce(prepared.world.runtime(), place.name).capacity == 34


def test_without_a_script_everything_works(person: Meet, prepared: Prepared, place: CE) -> None:
    someone = person(None, java_script_enabled=False)
    link = tokens.make_link(prepared.world.runtime(), "grace", Role.ADMIN).secret
    someone.go("/sign-in")
    someone.page.fill("#secret", f"{someone.home}/sign-in#{link}")
    someone.page.click("text=Sign in with a link")
    assert "grace" in someone.page.inner_text(".who")
    someone.page.click("nav >> text=CEs")
    someone.page.click(f"th >> text='{place.name}'")
    hold(someone, "disks")
    assert "is held" in someone.headline
    someone.page.fill("#jump", "lhcb")
    someone.press("Enter")
    someone.page.wait_for_url("**/vos/lhcb")
    someone.page.click("nav >> text=Pilots")
    someone.page.check("input[value=submitted]")
    someone.page.click("text=Filter >> nth=0")
    someone.page.wait_for_url("**status=submitted**")
    someone.page.locator("a.danger").click()
    assert someone.headline.startswith("Cancel ")
    someone.page.click("text=Keep them")
    assert someone.page.locator("#keys").is_hidden()
    assert someone.page.locator(".live").is_hidden()
