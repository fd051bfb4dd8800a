"""Forms that change options, payloads and credentials, that remove, and that ask for a reason."""

from pathlib import Path

import pytest

from tests.factories import a_pilot
from tests.secrets import a_token
from tests.web.inventory_pages import Console, ce_page, vo_page
from tests.web.inventory_pages import console as console
from worker.db import ces
from worker.domain.access import Role
from worker.domain.payload import read
from worker.services import credentials, payloads

LYON, LHCB = ce_page("lyon"), vo_page("lhcb")
FORGED = 'yes <b>"new" & disks'


# -- options


def test_each_option_has_what_it_says_and_its_bounds(console: Console) -> None:
    page = console.admin().get(LYON)
    assert 'name="option.queue_time"' in page.html
    form = page.html.partition('value="each"')[2].partition("</form>")[0]
    assert "at least" in form
    assert "Left out:" in form


def test_an_option_is_set_changed_and_taken_away_alone(console: Console) -> None:
    admin = console.admin()
    before = {**console.ce("lyon").options}
    admin.post(LYON, **{"do": "each", "option.queue_time": "60", "option.spread": "fixed"})
    assert console.ce("lyon").options == {**before, "queue_time": 60, "spread": "fixed"}
    admin.post(LYON, **{"do": "each", "option.queue_time": "", "was-option.queue_time": "60"})
    del before["queue_time"]
    assert console.ce("lyon").options == {**before, "spread": "fixed"}


def test_an_option_out_of_its_bounds_is_refused_with_what_was_typed(console: Console) -> None:
    page = console.admin().post(LYON, **{"do": "each", "option.queue_time": "-5"})
    assert page.status == 422
    assert 'name="option.queue_time" value="-5"' in page.html
    assert "queue_time" in page.text
    assert 'role="alert"' in page.html


def test_of_two_people_who_change_one_option_the_second_sees_both(console: Console) -> None:
    one, other = console.admin("op1"), console.admin("op2")
    version = one.get(LYON).version
    other.post(LYON, **{"do": "each", "version": version, "option.queue_time": "70"})
    conflict = one.post(LYON, **{"do": "each", "version": version, "option.queue_time": "90"})
    assert conflict.status == 412
    assert "op2 (person) changed lyon while you edited it." in conflict.text
    assert "queue_time 70 90" in conflict.text
    mine = {"do": "each", "version": conflict.version, "option.queue_time": "90"}
    assert one.post(LYON, **mine).status == 200
    assert console.ce("lyon").options["queue_time"] == 90


# -- removal


@pytest.mark.parametrize(("path", "name"), [(LYON, "lyon"), (LHCB, "lhcb")])
def test_what_is_removed_is_named_first(console: Console, path: str, name: str) -> None:
    admin = console.admin()
    for word in ("", "yes", name.upper()):
        page = admin.post(path, do="remove", confirm=word)
        assert page.status == 422
        assert f"type {name} to go on; nothing was changed" in page.text
    assert console.person(Role.OPERATE).post(path, do="remove", confirm=name).status == 403
    page = admin.post(path, do="remove", confirm=name)
    assert "was removed." in page.text
    assert admin.get(path).status == 404


def test_what_had_pilots_is_not_removed_and_the_page_says_why(console: Console) -> None:
    with console.world.database.uow() as tx:
        a_pilot().at(console.world.now()).on(ces.get(tx, "lyon")).create(tx)
    page = console.admin().post(LYON, do="remove", confirm="lyon")
    assert page.status == 409
    assert 'role="alert"' in page.html
    assert console.ce("lyon").name == "lyon"


# -- payloads


def test_a_payload_is_set_changed_and_removed_by_who_operates_for_the_vo(console: Console) -> None:
    own, runtime = console.person(Role.OPERATE, "lhcb"), console.world.runtime()
    script = "#!/bin/sh\nexec pilot --name @{stamp}\n"
    page = own.post(
        LHCB, do="payload", script=script, arguments="-v\n--long", exit_codes="77=empty"
    )
    assert page.status == 200, page.text
    payload = payloads.show(runtime, "lhcb")
    assert payload["script"] == script
    assert list(payload["arguments"]) == ["-v", "--long"]
    assert payload["exit_codes"] == {"77": "empty"}
    refusal = own.post(LHCB, do="payload", script="exec @{nothing}")
    assert refusal.status == 422
    assert "exec @{nothing}" in refusal.text
    assert own.post(LHCB, do="clear-payload", confirm="no").status == 422
    assert own.post(LHCB, do="clear-payload", confirm="lhcb").status == 200
    assert payloads.show(runtime, "lhcb") == {}
    assert own.post(vo_page("atlas"), do="payload", script="true").status == 403


def test_a_payload_keeps_what_its_form_does_not_show(console: Console) -> None:
    runtime = console.world.runtime()
    whole = {
        "script": "exec pilot @{queue}",
        "variables": {"queue": {"type": "text", "default": "short"}},
        "at": {"lyon": {"queue": "long"}},
    }
    payloads.set_(runtime, "lhcb", read(whole))
    before = payloads.show(runtime, "lhcb")
    console.admin().post(LHCB, do="payload", script="exec pilot -q @{queue}")
    after = payloads.show(runtime, "lhcb")
    assert after["script"] == "exec pilot -q @{queue}"
    assert (after["variables"], after["at"]) == (before["variables"], before["at"])


# -- credentials


def test_a_credential_is_added_changed_and_forgotten_and_never_read_out(
    console: Console, tmp_path: Path
) -> None:
    admin, secret = console.admin(), a_token(tmp_path / "first", exp=4_000_000_000)
    other = a_token(tmp_path / "second", exp=4_000_000_000)
    values = {"vo": "lhcb", "backend": "arc", "kind": "token"}
    texts = [Path(str(file)).read_text().strip() for file in (secret, other)]
    pages = [
        admin.post("/credentials", do="add", path=str(secret), renew="renew --now", **values),
        admin.post("/credentials", do="change", path=str(other), **values),
        admin.get("/credentials"),
    ]
    [standing] = credentials.list_all(console.world.runtime())
    assert (standing.vo, standing.path) == ("lhcb", str(other))
    for page in pages:
        assert page.status == 200, page.text
        assert not any(text in page.html for text in texts)
    assert admin.post("/credentials", do="remove", confirm="x", **values).status == 422
    assert admin.post("/credentials", do="remove", confirm="lhcb", **values).status == 200
    assert credentials.list_all(console.world.runtime()) == []
    assert Path(other).exists()


def test_credentials_are_changed_by_an_admin_alone(console: Console) -> None:
    values = {"vo": "all", "backend": "arc", "kind": "token", "path": "/nowhere"}
    for person in (console.person(Role.OPERATE), console.person(Role.READ)):
        assert person.post("/credentials", do="add", **values).status == 403
    wrong = console.admin().post("/credentials", do="add", **{**values, "kind": "word"})
    assert wrong.status == 422
    assert 'value="/nowhere"' in wrong.html


# -- reasons


def test_each_change_keeps_its_reason(console: Console) -> None:
    admin = console.admin()
    admin.post(LYON, do="slots", capacity="77", waiting_limit="", success_rate="1", why=FORGED)
    admin.post(LHCB, do="demand", demand="5", why="a campaign")
    admin.post("/tasks", do="schedule", task="learn", every="30", why="faster, for the test")
    admin.post("/ces", do="add", name="new", backend="sim", capacity="1", why="bought")
    whats = {of: console.changes(of)[0].what for of in ("lyon", "lhcb", "learn", "new")}
    assert whats["lyon"].endswith(f": {FORGED}")
    assert whats["lhcb"].endswith(": a campaign")
    assert whats["learn"].endswith(": faster, for the test")
    assert whats["new"].endswith(": bought")
    page = admin.get("/audit?of=lyon")
    assert FORGED in page.text
    assert "<b>" not in page.html.partition("<tbody>")[2].partition("</tbody>")[0]


def test_a_reason_keeps_no_secret_and_is_not_endless(console: Console) -> None:
    console.admin().post(
        LYON, do="timeouts", wait_at_most="1h", why=f"password=hunter2 {'x' * 5000}"
    )
    what = console.changes("lyon")[0].what
    assert "hunter2" not in what
    assert len(what) < 300
