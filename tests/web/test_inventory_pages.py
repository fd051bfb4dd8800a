"""The pages of CEs, VOs, tasks, credentials and the audit: what they say, and their forms."""

from typing import Any

import pytest

from tests.web.inventory_pages import Console, ce_page, vo_page
from tests.web.inventory_pages import console as console
from worker.domain.access import Role
from worker.domain.sending import Sending
from worker.domain.values import ChangedVO
from worker.services.observe import answers
from worker.services.operate import vo_inventory
from worker.services.tasks import ask_demand

LYON = ce_page("lyon")
LHCB = vo_page("lhcb")
WITH_FORMS = ("/ces", LYON, "/vos", LHCB, "/tasks", "/credentials")
PAGES = (*WITH_FORMS, "/audit")
SCRIPT = "<script>alert(1)</script>"
STEERING = {"hold", "drain", "disable", "maintenance"}
OF_CES = {"slots", "timeouts", "open", "options", "each", "remove"}
OF_VOS = {"share", "bounds", "timeouts", "source", "remove"}
OF_ONE_VO = {"demand", "drain", "disable", "payload"}
SLOTS = {"capacity": "10", "waiting_limit": "", "success_rate": "1"}


def test_each_page_is_headed_by_its_answer(console: Console) -> None:
    person = console.person(Role.READ)
    headlines = {
        "/ces": "2 CEs, all normal.",
        LYON: "lyon is normal: 0 pilots run, 0 wait, 10 slots are free.",
        "/vos": "3 VOs.",
        LHCB: "lhcb takes any number of pilots: no demand is set.",
        "/credentials": "There is no credential.",
        "/audit": "changes by 1 account.",
    }
    for path, headline in headlines.items():
        page = person.get(path)
        assert page.status == 200
        assert headline in page.text
    assert "none failed in its last execution" in person.get("/tasks").text


def test_no_page_has_a_style_or_a_script_of_its_own(console: Console) -> None:
    admin = console.admin()
    for path in PAGES:
        html = admin.get(path).html
        assert " style=" not in html
        assert "<style" not in html
        assert html.count("<script") == 1


def test_a_program_gets_the_answer_of_the_api(console: Console) -> None:
    person = console.person(Role.READ)
    for path in PAGES:
        if path != "/audit":
            assert person.json(path) == person.json(f"/api{path}")


def test_a_program_gets_the_audit_as_from_the_api(console: Console) -> None:
    console.admin().post(LYON, do="disable", reason="new disks")
    answer: Any = console.admin().json("/audit?of=lyon")
    latest = answer["items"][0]
    assert latest["after"] == {"enabled": False, "reason": "new disks"}
    assert latest["door"] == "console"
    by_form: Any = console.admin().json("/audit?of=lyon&door=console")
    assert by_form["items"] == [latest]
    assert console.admin().json("/audit?of=lyon&door=api")["items"] == []  # type: ignore[index]


# -- who may do what


def test_everybody_sees_the_forms_that_are_theirs_and_no_other(console: Console) -> None:
    admin, operator = console.admin(), console.person(Role.OPERATE)
    of_lhcb, reader = console.person(Role.OPERATE, "lhcb"), console.person(Role.READ)
    assert admin.get(LYON).forms() == STEERING | OF_CES
    assert operator.get(LYON).forms() == STEERING
    assert of_lhcb.get(LYON).forms() == reader.get(LYON).forms() == set()
    assert admin.get(LHCB).forms() == OF_ONE_VO | OF_VOS
    assert operator.get(LHCB).forms() == of_lhcb.get(LHCB).forms() == OF_ONE_VO
    assert of_lhcb.get(vo_page("atlas")).forms() == reader.get(LHCB).forms() == set()
    for path, forms in {"/ces": {"add"}, "/vos": {"add"}, "/credentials": {"add"}}.items():
        assert admin.get(path).forms() == forms
        assert operator.get(path).forms() == set()
    assert admin.get("/tasks").forms() == {"schedule", "disable"}
    assert operator.get("/tasks").forms() == set()


def test_who_may_only_look_is_told_whom_to_ask(console: Console) -> None:
    reader = console.person(Role.READ)
    for path in WITH_FORMS:
        assert "You may look." in reader.get(path).text


CE_FORMS: dict[str, dict[str, str]] = {
    "hold": {"reason": "new disks"},
    "drain": {"reason": "new disks"},
    "disable": {"reason": "new disks"},
    "enable": {"reason": "new disks"},
    "maintenance": {"reason": "power", "ends_at": "4h"},
    "slots": SLOTS,
    "timeouts": {},
    "open": {},
    "options": {"options": "queue_time=60"},
    "each": {"option.queue_time": "60"},
}
VO_FORMS: dict[str, dict[str, str]] = {
    "drain": {},
    "disable": {},
    "enable": {},
    "demand": {"demand": "7"},
    "share": {"share": "2", "limit": "10"},
    "timeouts": {"wait_at_most": "2h"},
    "source": {},
    "payload": {"script": "true"},
}


def test_the_forms_of_a_ce_do_it_for_who_may(console: Console) -> None:
    reader, of_lhcb = console.person(Role.READ), console.person(Role.OPERATE, "lhcb")
    operator, admin = console.person(Role.OPERATE), console.admin()
    for does, more in CE_FORMS.items():
        values = {**more, "do": does}
        assert reader.post(LYON, **values).status == 403
        assert of_lhcb.post(LYON, **values).status == 403
        assert operator.post(LYON, **values).status == (403 if does in OF_CES else 200)
        page = admin.post(LYON, **values)
        assert page.status == 200
        assert "message=" in page.url


def test_the_forms_of_a_vo_do_it_for_who_may(console: Console) -> None:
    reader, of_atlas = console.person(Role.READ), console.person(Role.OPERATE, "atlas")
    operators = console.person(Role.OPERATE), console.person(Role.OPERATE, "lhcb")
    for does, more in VO_FORMS.items():
        values = {**more, "do": does}
        assert reader.post(LHCB, **values).status == 403
        assert of_atlas.post(LHCB, **values).status == 403
        for operator in operators:
            assert operator.post(LHCB, **values).status == (403 if does in OF_VOS else 200)
        assert console.admin().post(LHCB, **values).status == 200


OF_ADMINS: tuple[tuple[str, dict[str, str]], ...] = (
    ("/ces", {"do": "add", "name": "bari", "backend": "sim", "capacity": "3"}),
    ("/vos", {"do": "add", "name": "na62", "share": "2", "demand": "5"}),
    ("/tasks", {"do": "schedule", "task": "submit_pilots", "every": "30"}),
    ("/tasks", {"do": "schedule", "task": "submit_pilots", "vo": "lhcb", "every": "30"}),
    ("/tasks", {"do": "disable", "task": "reconcile"}),
    ("/tasks", {"do": "enable", "task": "reconcile"}),
)


def test_what_admins_do_nobody_else_does(console: Console) -> None:
    others = (
        console.person(Role.READ),
        console.person(Role.OPERATE),
        console.person(Role.OPERATE, "lhcb"),
    )
    for path, values in OF_ADMINS:
        for person in others:
            assert person.post(path, **values).status == 403
        page = console.admin().post(path, **values)
        assert page.status == 200
        assert "message=" in page.url


def test_a_form_from_elsewhere_is_refused(console: Console) -> None:
    admin = console.admin()
    for path in WITH_FORMS:
        for origin in (None, "https://elsewhere.example.org"):
            page = admin.post(path, origin, do="disable", task="reconcile", name="x")
            assert page.status == 403
    assert console.ce("lyon").enabled
    assert console.vo("lhcb").enabled


# -- what the forms do


def test_a_ce_is_held_and_resumed_with_a_reason_in_the_audit(console: Console) -> None:
    operator = console.person(Role.OPERATE, who="op1")
    page = operator.post(LYON, do="hold", reason="new disks", until="2h")
    assert "lyon is held until" in page.text
    assert "new disks" in page.text
    assert console.ce("lyon").sending is Sending.HELD
    assert "1 gets no new pilots" in operator.get("/ces").text
    assert "lyon is normal" in operator.post(LYON, do="resume", reason="they run").text
    last_change, first_change = console.changes("lyon")[:2]
    assert last_change.who == first_change.who == "op1 (person)"
    assert "they run" in str(last_change.after)
    assert "new disks" in str(first_change.after)
    assert "new disks" in operator.get("/audit?of=lyon&by=op1").text


def test_settings_of_a_ce_are_stored(console: Console) -> None:
    admin = console.admin()
    admin.post(LYON, do="slots", capacity="20", waiting_limit="4", success_rate="0.5")
    admin.post(LYON, do="timeouts", wait_at_most="2h", run_at_most="", silent_at_most="none")
    admin.post(
        LYON,
        do="open",
        only_for="lhcb, atlas",
        tags="tier2 italy",
        cancel_strangers="yes",
        why="theirs",
    )
    admin.post(LYON, do="options", options="run_time=5\nspread=fixed\n")
    ce = console.ce("lyon")
    assert (ce.capacity, ce.waiting_limit, ce.success_rate) == (20, 4, 0.5)
    assert ce.wait_at_most is not None
    assert ce.wait_at_most.total_seconds() == 7200
    assert ce.run_at_most is ce.silent_at_most is None
    assert set(ce.only_for) == {"lhcb", "atlas"}
    assert ce.tags == ("tier2", "italy")
    assert ce.cancel_strangers
    assert ce.options == {"run_time": 5, "spread": "fixed"}
    assert "capacity 10 → 20" in admin.get("/audit?of=lyon").text


def test_a_drain_says_when_it_ends(console: Console) -> None:
    operator = console.person(Role.OPERATE)
    assert "say when" in operator.post(LYON, do="drain", end_running="yes").text
    values = {"do": "drain", "drain_by": "2h", "end_running": "yes"}
    assert "reason: give the reason" in operator.post(LYON, **values).text
    page = operator.post(LYON, **values, reason="disk is full").text
    assert "is draining by" in page
    assert "lyon is draining since" in page
    assert ": 'disk is full'." in page
    assert console.ce("lyon").end_running
    operator.post(LYON, do="enable", reason="there is room")
    ce = console.ce("lyon")
    assert (ce.draining, ce.drain_by, ce.end_running) == (False, None, False)


def test_a_maintenance_is_added_and_removed(console: Console) -> None:
    operator = console.person(Role.OPERATE)
    page = operator.post(LYON, do="maintenance", reason="power", begins_at="1h", ends_at="4h")
    assert "power" in page.text
    assert "remove-maintenance" in page.forms()
    which = page.html.partition('name="which" value="')[2].partition('"')[0]
    assert "was removed" in operator.post(LYON, do="remove-maintenance", which=which).text
    assert operator.post(LYON, do="remove-maintenance", which=which).status == 404


def test_the_settings_of_a_vo_are_stored(console: Console) -> None:
    admin = console.admin()
    admin.post(LHCB, do="share", share="2.5", limit="100", budget="5", cancel_surplus="yes")
    admin.post(LHCB, do="source", source="kind=http\nurl=https://demand.example.org/lhcb")
    page = console.person(Role.OPERATE, "lhcb").post(LHCB, do="demand", demand="91")
    vo = console.vo("lhcb")
    assert (vo.share, vo.limit, vo.budget, vo.cancel_surplus) == (2.5, 100, 5, True)
    assert vo.demand == 91
    assert vo.source == {"kind": "http", "url": "https://demand.example.org/lhcb"}
    assert "its source, http, has not answered yet" in page.text
    answer = admin.post(LHCB, do="source", source="")
    assert console.vo("lhcb").source is None
    assert "lhcb could use 91 more pilots: set by hand." in answer.text


@pytest.mark.parametrize(
    ("counts", "verb", "sentence"),
    [
        ("more", "could use", "7 more pilots"),
        ("total", "wants", "7 pilots in all"),
        ("jobs", "wants", "7 pilots, one for each open job"),
        ("ever", "wants", "7 pilots of use, those done included"),
    ],
)
def test_what_is_wanted_is_said_as_its_source_counts_on_the_page_and_in_the_terminal(
    console: Console, counts: str, verb: str, sentence: str
) -> None:
    source = {"kind": "command", "command": ["echo", "7"], "counts": counts}
    vo_inventory.change_vo(console.world.runtime(), "lhcb", ChangedVO(source=source))
    ask_demand.ask_demand(console.world.runtime(by_hand=True), "lhcb")
    text = console.admin().get(LHCB).text
    assert f"lhcb {verb} {sentence}: its source, command" in text
    number, _, unit = sentence.partition(" ")
    assert f"{verb} {number} {unit}" in text
    answer = answers.answer_of(console.world.runtime(), "lhcb")
    assert answer.in_words == sentence


# -- two people


def test_the_second_of_two_people_sees_both_and_may_go_on(console: Console) -> None:
    one, other = console.admin("op1"), console.admin("op2")
    version = one.get(LYON).version
    other.post(LYON, do="slots", version=version, **{**SLOTS, "capacity": "2000"})
    conflict = one.post(LYON, do="slots", version=version, **{**SLOTS, "waiting_limit": "3"})
    assert conflict.status == 412
    assert "op2 (person) changed lyon while you edited it." in conflict.text
    assert "Capacity 2000 10" in conflict.text
    assert "Waiting limit – 3" in conflict.text
    assert console.ce("lyon").waiting_limit is None
    mine = {**SLOTS, "waiting_limit": "3"}
    assert one.post(LYON, do="slots", version=conflict.version, **mine).status == 200
    assert (console.ce("lyon").capacity, console.ce("lyon").waiting_limit) == (10, 3)


def test_what_one_left_as_it_was_is_not_stored_over_the_change_of_another(
    console: Console,
) -> None:
    one, other = console.admin("op1"), console.admin("op2")
    page = one.get(LYON)
    assert 'name="was-capacity" value="10"' in page.html
    other.post(LYON, do="slots", version=page.version, **{**SLOTS, "capacity": "2000"})
    was = {f"was-{name}": value for name, value in SLOTS.items()}
    mine = {**SLOTS, **was, "waiting_limit": "3"}
    conflict = one.post(LYON, do="slots", version=page.version, **mine)
    assert "Waiting limit – 3" in conflict.text
    assert "Capacity 2000" not in conflict.text
    one.post(LYON, do="slots", version=conflict.version, **mine)
    assert (console.ce("lyon").capacity, console.ce("lyon").waiting_limit) == (2000, 3)


def test_a_button_meets_the_change_of_another(console: Console) -> None:
    one, other = console.person(Role.OPERATE), console.admin("op2")
    for path, version in ((LYON, one.get(LYON).version), (LHCB, one.get(LHCB).version)):
        other.post(path, do="timeouts", wait_at_most="1h")
        conflict = one.post(path, do="disable", version=version, reason="x")
        assert conflict.status == 412
        assert "Enabled yes no" in conflict.text
        assert one.post(path, do="disable", version=conflict.version, reason="x").status == 200
    assert not console.ce("lyon").enabled
    assert not console.vo("lhcb").enabled


# -- what cannot be used


WRONG_OF_CES: tuple[tuple[dict[str, str], str], ...] = (
    ({"do": "slots", **SLOTS, "capacity": "many"}, "capacity: it must be a whole number"),
    ({"do": "slots", **SLOTS, "capacity": "-1"}, "capacity: -1 is below 0"),
    ({"do": "slots", **SLOTS, "capacity": "9" * 30}, "capacity"),
    ({"do": "slots", **SLOTS, "success_rate": "nan"}, "success rate: nan is not a number"),
    ({"do": "slots", **SLOTS, "success_rate": "2"}, "success rate: 2.0 is above 1"),
    ({"do": "timeouts", "wait_at_most": "soon"}, "wait at most: write a length"),
    ({"do": "open", "only_for": "lhcb"}, "reason: give the reason"),
    ({"do": "open", "only_for": "lhbc", "why": "x"}, "did you mean 'lhcb'?"),
    ({"do": "open", "tags": "a<b"}, "tag name 'a<b'"),
    ({"do": "options", "options": "run_time"}, "'run_time' is not KEY=VALUE"),
    ({"do": "options", "options": "runtime=5"}, "did you mean 'run_time'?"),
    ({"do": "options", "options": 'run_time="\\u0000"'}, "it has characters that cannot be stored"),
    ({"do": "hold", "reason": " "}, "reason: give the reason"),
    ({"do": "hold", "reason": "x", "until": "tomorrow"}, "until: write a length of time"),
    ({"do": "hold", "reason": "x", "until": "2001-01-01"}, "2001-01-01 00:00Z is in the past"),
    ({"do": "hold", "reason": "x", "until": "999999999d"}, "until: write a length of time"),
    ({"do": "resume", "reason": "x"}, "it is not paused"),
    ({"do": "maintenance", "reason": "x", "ends_at": ""}, "end: say when"),
    (
        {"do": "maintenance", "reason": "x", "begins_at": "2h", "ends_at": "1h"},
        "it ends before",
    ),
    ({"do": "explode"}, "this page has no such form"),
    ({}, "this page has no such form"),
)


def test_a_wrong_value_is_one_line_at_the_form(console: Console) -> None:
    admin = console.admin()
    for values, words in WRONG_OF_CES:
        page = admin.post(LYON, **values)
        assert page.status in (404, 422), values
        assert page.html.count('class="wrong"') == 1, values
        assert words in page.text
        for value in values.values():
            text = value.replace("<", "&lt;").replace('"', "&#34;")
            assert not value.strip() or text in page.html or values["do"] == "explode"


WRONG_OF_VOS: tuple[tuple[dict[str, str], str], ...] = (
    ({"do": "demand", "demand": "1.5"}, "demand: it must be a whole number"),
    ({"do": "share", "share": "-1"}, "share: -1.0 is below 0"),
    ({"do": "source", "source": "kind=htpp"}, "did you mean 'http'?"),
    ({"do": "timeouts", "run_at_most": "0s"}, "run at most: it must be whole seconds"),
    ({"do": "explode"}, "this page has no such form"),
)


def test_a_wrong_value_of_a_vo_is_one_line_too(console: Console) -> None:
    admin = console.admin()
    for values, words in WRONG_OF_VOS:
        page = admin.post(LHCB, **values)
        assert page.status == 422, values
        assert page.html.count('class="wrong"') == 1, values
        assert words in page.text


WRONG: tuple[tuple[str, dict[str, str], int], ...] = (
    ("/ces", {"name": "lyon", "backend": "sim", "capacity": "1"}, 409),
    ("/ces", {"name": "no name", "backend": "sim", "capacity": "1"}, 422),
    ("/ces", {"name": "bari", "backend": "slrum", "capacity": "1"}, 404),
    ("/ces", {"name": "bari", "backend": "sim", "capacity": ""}, 422),
    ("/vos", {"name": "lhcb", "share": "1"}, 409),
    ("/vos", {"name": "na62", "share": "much"}, 422),
    ("/tasks", {"do": "schedule", "task": "reconcile", "every": "often"}, 422),
    ("/tasks", {"do": "schedule", "task": "reconcile", "every": "5", "cron": "x"}, 422),
    ("/tasks", {"do": "schedule", "task": "reconcile", "cron": "never"}, 422),
    ("/tasks", {"do": "schedule", "task": "reconcile", "every": "-5"}, 422),
    ("/tasks", {"do": "schedule", "task": "reconcile", "every": "nan"}, 422),
    ("/tasks", {"do": "schedule", "task": "reconcile", "every": "inf"}, 422),
    ("/tasks", {"do": "schedule", "task": "reconcile", "vo": "lhcb", "every": "5"}, 422),
    ("/tasks", {"do": "enable", "task": "nothing"}, 404),
    ("/tasks", {}, 422),
)


def test_what_cannot_be_added_or_set_is_said(console: Console) -> None:
    admin = console.admin()
    for path, values, status in WRONG:
        page = admin.post(path, **values)
        assert page.status == status, values
        assert page.html.count('class="wrong"') == 1, values


def test_text_that_no_database_takes_is_refused(console: Console) -> None:
    assert console.admin().post(LYON, do="hold", reason="a\0b").status == 422
    many = {f"x{number}": "1" for number in range(300)}
    assert console.admin().post(LYON, **many).status == 422


def test_what_is_not_there_has_a_page_that_says_so(console: Console) -> None:
    admin = console.admin()
    for path in (ce_page("lyn"), vo_page("lhbc")):
        assert admin.get(path).status == 404
        assert admin.post(path, do="disable").status == 404
    for path in ("/audit?since=soon", "/audit?after=x", "/ces?after=x", "/ces?limit=x"):
        assert admin.get(path).status == 422


# -- texts of others


def test_markup_stays_text(console: Console) -> None:
    admin = console.admin()
    admin.post(LYON, do="hold", reason=SCRIPT)
    admin.post(LYON, do="maintenance", reason=SCRIPT, ends_at="4h")
    pages = [
        admin.get(LYON),
        admin.get("/audit"),
        admin.get(f"/ces?search={SCRIPT}&tag={SCRIPT}"),
        admin.post(LYON, do="open", tags=SCRIPT),
        admin.post(LYON, do="options", options=f"run_time={SCRIPT}"),
        admin.post(LHCB, do="demand", demand=SCRIPT),
        admin.post("/ces", name=SCRIPT, backend="sim", capacity="1"),
        admin.post("/tasks", do="schedule", task="reconcile", cron=SCRIPT),
    ]
    for page in pages:
        assert SCRIPT not in page.html
        assert "&lt;script&gt;" in page.html


def test_a_name_may_have_a_slash(console: Console) -> None:
    admin = console.admin()
    assert 'href="/ces/a%2Fb"' in admin.get("/ces").html
    page = admin.post(ce_page("a/b"), do="hold", reason="new disks")
    assert "CE a/b is held: new disks" in page.text
    assert "a/b is held since" in page.text
    assert console.ce("a/b").sending is Sending.HELD
    assert 'action="/ces/a%2Fb"' in page.html


def test_ces_are_found_by_a_part_of_the_name_and_by_a_tag(console: Console) -> None:
    admin = console.admin()
    admin.post(LYON, do="open", tags="tier2")
    assert "1 of 2 matches" in admin.get("/ces?search=lyo").text
    assert "a/b" not in admin.get("/ces?tag=tier2").html.partition("<tbody>")[2]
    assert "No CE matches." in admin.get("/ces?search=none").text


def test_an_option_says_what_it_is_and_its_bounds(console: Console) -> None:
    text = console.admin().get(LYON).text
    assert "calls_per_minute Executions of periodic tasks that may call the CE in a minute" in text
    assert "above 0, at most 1,000,000" in text


def test_the_audit_goes_on_by_a_key(console: Console) -> None:
    admin = console.admin()
    for number in range(4):
        admin.post(LHCB, do="demand", demand=str(number))
    page = admin.get("/audit?of=lhcb&limit=2")
    assert "More than 2 changes" in page.text
    address = page.html.partition('class="pages"><a href="')[2].partition('"')[0]
    assert "demand - → 0" in admin.get(address.replace("&amp;", "&")).text
