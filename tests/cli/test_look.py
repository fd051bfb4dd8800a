"""`pilotage status`, `top`, `explain` and `plan`."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.command import Cli, contents
from tests.factories import a_ce, a_health, a_vo
from worker.db import ces, health, schedules, work
from worker.db.database import Database
from worker.db.health import FailedCall
from worker.db.work import WorkRecord
from worker.domain.lengths import clock
from worker.domain.pilot import Status
from worker.policy.learning import Hole, learn
from worker.policy.work import NoWork

SIM = ("--backend", "sim", "--capacity", "3")


def test_status_of_a_site(cli: Cli, site: Database) -> None:
    data = cli.json("status")

    assert set(data) == {
        *("at", "pilots", "ces", "credentials", "decisions", "transitions"),
        *("fired_at", "full_disk", "standstills", "ends", "without_work", "batches", "trials"),
        "unusable_sources",
    }
    assert list(data["pilots"]) == [str(status) for status in Status]
    assert data["pilots"]["running"] == 1
    assert data["pilots"]["lost"] == 0
    lyon, rome = data["ces"]
    assert (lyon["name"], lyon["running"], lyon["reserved"], lyon["free"]) == ("lyon", 1, 1, 3)
    assert (rome["state"].partition(":")[0], rome["capacity"]) == ("disabled", 2)
    assert {step["ce"] for step in data["transitions"]} == {"lyon"}
    assert data["transitions"][0]["became"] == "done"


def test_status_and_top_in_a_pipe_print_one_picture(cli: Cli, site: Database) -> None:
    for word in ("status", "top"):
        lines = cli.ok(word).lines
        assert any(line.startswith("lyon") and line.endswith("normal") for line in lines)
        assert any(line.startswith("rome") and "disabled" in line for line in lines)


@pytest.mark.parametrize(("minutes", "is_warned"), [(1, False), (12, True)])
def test_status_says_when_all_stands_still(
    cli: Cli, site: Database, minutes: int, is_warned: bool
) -> None:
    cli.ok("task", "schedule", "learn", "--every", "60")
    then = datetime.now(UTC) - timedelta(minutes=minutes)
    with site.uow() as tx:
        assert schedules.claim(tx, {schedules.get(tx, "learn"): then}, then)
    line = "! no task has fired for 12 min: no scheduler is alive"
    assert (line in cli.ok("status").lines) is is_warned


def fire(site: Database, times: int, ends: datetime) -> datetime:
    """Let learn fire once a minute without a worker that executes it; return the first moment."""
    moments = [ends - timedelta(minutes=n) for n in reversed(range(times))]
    for moment in moments:
        with site.uow() as tx:
            tick = schedules.get(tx, "learn")
            schedules.count_firings(tx, {tick.id: False}, moment)
    return moments[0]


@pytest.mark.parametrize(("times", "is_warned"), [(3, False), (8, True)])
def test_status_and_top_say_that_no_worker_is_alive(
    cli: Cli, site: Database, times: int, is_warned: bool
) -> None:
    cli.ok("task", "schedule", "learn", "--every", "60")
    since = fire(site, times, datetime.now(UTC))
    day = "" if since.date() == datetime.now(UTC).date() else f"{since:%Y-%m-%d} "
    line = (
        f"! learn fired {times} times since {day}{since:%H:%M}Z and no worker has done it: "
        "no worker takes the queue plan; "
        "start one with 'celery -A pilotage worker -Q plan', or 'pilotage up'"
    )
    for word in ("status", "top"):
        assert (line in cli.ok(word).lines) is is_warned
    assert bool(cli.json("status")["standstills"]) is is_warned
    cli.ok("task", "disable", "learn")
    assert cli.json("status")["standstills"] == []


def test_a_ce_that_does_not_answer_is_shown_everywhere(cli: Cli, site: Database) -> None:
    began = datetime.now(UTC) - timedelta(seconds=100)
    call = FailedCall(at=began, error="squeue: Socket timed out")
    again = datetime.now(UTC) + timedelta(minutes=9)
    with site.uow() as tx:
        health.call_failed(tx, "lyon", call, lambda _: again)

    sentence = re.compile(
        r"no answer for 1 min \d+ s \(squeue: Socket timed out\), "
        rf"asked again at {again:%H:%M:%S}Z"
    )
    for word in ("status", "top"):
        lines = cli.ok(word).lines
        assert any(line.startswith("! CE lyon: ") and sentence.search(line) for line in lines)
        assert any(line.startswith("lyon ") and "not answering" in line for line in lines)
    assert sentence.search(cli.ok("ce", "show", "lyon").out)
    assert sentence.search(cli.ok("explain", "lyon").lines[0])
    assert "no answer" not in cli.ok("explain", "lyon", "--at", "2020-01-31").out
    assert "no answer" not in cli.ok("explain", "rome").out
    ce = cli.json("ce", "show", "lyon")
    assert (ce["failed_calls"], ce["last_error"]) == (1, "squeue: Socket timed out")
    assert datetime.fromisoformat(ce["unanswered_since"]) == began
    cli.ok("task", "run", "submit_pilots")
    assert cli.json("explain", "lyon")[0]["reason"] == (
        f"no answer since {began:%H:%M:%S}Z (squeue: Socket timed out), "
        f"asked again at {again:%H:%M:%S}Z"
    )


def test_a_warning_that_is_cut_goes_on_indented(
    cli: Cli, site: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    cli.ok("task", "schedule", "learn", "--every", "60")
    fire(site, 8, datetime.now(UTC))
    lines = cli.ok("status").lines
    [first] = [number for number, line in enumerate(lines) if line.startswith("! ")]
    assert lines[first].startswith("! learn fired 8 times since ")
    assert lines[first + 1].startswith("  ")
    assert "'pilotage up'" in " ".join(line.strip() for line in lines[first : first + 3])


def test_many_ces_without_an_answer_are_counted(cli: Cli, site: Database) -> None:
    now = datetime.now(UTC)
    with site.uow() as tx:
        for number in range(8):
            ce = a_ce().named(f"ce{number}").create(tx)
            health.call_failed(tx, ce.name, FailedCall(at=now, error="no route"), lambda _: now)
    warnings = [line for line in cli.ok("status").lines if line.startswith("! ")]
    assert [line[:9] for line in warnings] == [*(f"! CE ce{n}:" for n in range(5)), "! 3 more "]


NO_WORK = "its last 14 pilots in a row found no work, at 3 CEs"
SWALLOWED = "5 pilots of VO lhcb in a row ended for nothing; at other CEs 7 of 9 were of use"


def without_work(site: Database, *vos: str) -> datetime:
    """Store that the pilots of VOs find no work; return since when."""
    since = datetime.now(UTC) - timedelta(minutes=20)
    with site.uow() as tx:
        record = WorkRecord(without_work=NoWork(reason=NO_WORK, since=since))
        work.save(tx, dict.fromkeys(vos, record))
    return since


def test_a_vo_without_work_is_shown_everywhere(
    cli: Cli, site: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no work" not in cli.ok("status").out
    since = without_work(site, "lhcb")
    line = f"! VO lhcb: since {clock(since, datetime.now(UTC), seconds=False)} {NO_WORK};"
    for word in ("status", "top"):
        [text] = [one for one in cli.ok(word).lines if one.startswith("! VO")]
        assert text.startswith(line)
        assert text.endswith("; it gets a trickle of 2. If its pilots were of use, set "
                             "useful_after or exit_codes in its payload")  # fmt: skip
    [entry] = cli.json("status")["without_work"]
    assert (entry["vo"], entry["reason"], entry["trickle"]) == ("lhcb", NO_WORK, 2)
    vos = {one["name"]: one["without_work_since"] for one in cli.json("vo", "list")["items"]}
    assert vos == {"default": None, "lhcb": since.isoformat()}
    vo = cli.json("vo", "show", "lhcb")
    assert (vo["without_work_since"], vo["without_work_reason"]) == (vos["lhcb"], NO_WORK)
    for columns in ("80", "140"):
        monkeypatch.setenv("COLUMNS", columns)
        for words in (("status",), ("vo", "list"), ("vo", "show", "lhcb")):
            lines = cli.ok(*words).lines
            assert max(map(len, lines)) <= int(columns)
        assert NO_WORK in " ".join(" ".join(cli.ok("vo", "show", "lhcb").lines).split())


def test_many_vos_without_work_are_counted(cli: Cli, site: Database) -> None:
    names = [f"vo{number}" for number in range(7)]
    with site.uow() as tx:
        for name in names:
            a_vo().named(name).create(tx)
    without_work(site, *names)
    warnings = [line for line in cli.ok("status").lines if line.startswith("! ")]
    assert [line.partition(":")[0] for line in warnings[:-1]] == [
        f"! VO {name}" for name in names[:5]
    ]
    assert warnings[-1] == "! the pilots of 2 more VOs find no work: pilotage vo list"


def explain(cli: Cli, ce: str, vo: str) -> str:
    """Return the explanation that a terminal of 80 characters shows, as one line."""
    lines = cli.ok("explain", ce, "--vo", vo).lines
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
    return " ".join(" ".join(lines).split())


def test_explain_says_that_a_vo_has_no_work(
    cli: Cli, site: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    since = without_work(site, "lhcb")
    cli.ok("task", "run", "submit_pilots", "--vo", "lhcb")

    story = explain(cli, "lyon", "lhcb")
    why = f"since {since:%H:%M}Z {NO_WORK}"
    assert f"demand 2; a trickle: {why}" in story
    assert f"result 2: free 3; gets 2 of 2 (demand is 2 (a trickle: {why}))" in story
    cli.ok("vo", "set", "lhcb", "--demand", "50")
    cli.ok("task", "run", "submit_pilots", "--vo", "lhcb")
    note = f"a trickle of the demand of 50: {why}"
    assert f"demand 2; {note}" in explain(cli, "lyon", "lhcb")


def test_explain_says_that_a_ce_swallows_pilots(
    cli: Cli, site: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    now = datetime.now(UTC)
    hole = Hole(reason=SWALLOWED, since=now - timedelta(minutes=9))
    knowledge = learn(None, [], now=now, configured=1.0, hole=hole)
    with site.uow() as tx:
        lyon = ces.get(tx, "lyon")
        a_health().of(lyon).with_learned(knowledge.state).opened(SWALLOWED, now).create(tx)
    cli.ok("task", "run", "submit_pilots", "--vo", "lhcb")

    story = explain(cli, "lyon", "lhcb")
    assert f"pause since {now:%Y-%m-%d %H:%M}Z: {SWALLOWED}" in story
    assert f"result 0: PAUSED: {SWALLOWED}; probe every 4 min" in story


def test_a_vo_says_from_when_on_its_pilots_are_of_use(
    cli: Cli, site: Database, tmp_path: Path
) -> None:
    lives = {"at": datetime.now(UTC).timestamp(), "weight": 10.0, "sum": 10.0 * 600}
    with site.uow() as tx:
        work.save(tx, {"lhcb": WorkRecord(lives=lives)})
    sentence = "1 min, learnt from the run times of the pilots"
    assert f"useful after         {sentence}" in cli.ok("vo", "show", "lhcb").lines
    assert f"useful_after {sentence}" in cli.ok("vo", "payload", "lhcb").lines
    vo = cli.json("vo", "show", "lhcb")
    assert (vo["useful_after"], vo["useful_after_is_set"]) == (60.0, False)
    assert "useful_after 0 s, until it is learnt" in cli.ok("vo", "payload", "default").out

    file = tmp_path / "pilot.toml"
    text = 'script_text = "true"\nuseful_after = 90\n[exit_codes]\n77 = "empty"\n'
    file.write_text(text, encoding="utf-8")
    lines = cli.ok("vo", "payload", "lhcb", "--from", str(file)).lines
    assert 'exit_codes   77 = "empty"' in lines
    assert "useful_after 1 min 30 s, set in its payload" in lines
    vo = cli.json("vo", "show", "lhcb")
    assert (vo["useful_after"], vo["useful_after_is_set"]) == (90.0, True)


@pytest.mark.usefixtures("world")
def test_status_without_a_ce_says_how_to_add_one(cli: Cli) -> None:
    plain = cli.ok("status").out

    assert "no CE yet: pilotage ce add" in plain
    assert "nothing was decided yet" in plain
    assert "nothing happened yet" in plain


@pytest.mark.usefixtures("world")
def test_explain_says_why_a_ce_got_what_it_got(cli: Cli) -> None:
    cli.ok("ce", "add", "lyon", *SIM)
    cli.ok("ce", "add", "rome", *SIM, "--disabled")
    assert cli.ok("explain", "lyon").out == "nothing was decided about lyon yet\n"
    assert cli.json("explain", "lyon") == []

    cli.ok("task", "run", "submit_pilots")

    (decision,) = cli.json("explain", "lyon")
    assert set(decision) == {"vo", "ce", "at", "granted", "reason", "trace", "times"}
    assert (decision["vo"], decision["ce"], decision["granted"]) == ("default", "lyon", 3)
    head, *steps, result = cli.ok("explain", "lyon").lines
    assert head.endswith("VO default: 3 pilots")
    assert result.split(maxsplit=1) == ["result", f"3: {decision['reason']}"]
    assert any(line.split()[:2] == ["free", "3"] for line in steps)
    (refusal,) = cli.json("explain", "rome", "--vo", "default")
    assert (refusal["granted"], "disabled" in refusal["reason"]) == (0, True)


@pytest.mark.usefixtures("world")
def test_explain_looks_back_to_a_moment(cli: Cli) -> None:
    cli.ok("ce", "add", "lyon", *SIM)
    cli.ok("task", "run", "submit_pilots")
    moment = cli.json("explain", "lyon")[0]["at"]
    cli.ok("task", "run", "submit_pilots")

    assert cli.json("explain", "lyon")[0]["granted"] == 0
    assert cli.json("explain", "lyon", "--at", moment)[0]["granted"] == 3
    assert cli.ok("explain", "lyon", "--at", "2020-01-31").out == (
        "nothing was decided about lyon by 2020-01-31 00:00:00Z\n"
    )


def test_plan_says_what_would_be_done_and_changes_nothing(cli: Cli, site: Database) -> None:
    before = contents(site)

    plan = cli.json("plan")
    plain = cli.ok("plan", "--vo", "lhcb").lines

    assert set(plan) == {"default", "lhcb"}
    total = sum(one["granted"] for decisions in plan.values() for one in decisions)
    assert total == 3
    assert {one["ce"] for one in plan["lhcb"]} == {"lyon", "rome"}
    assert plain[0].startswith("VO lhcb: ")
    assert [line.split()[0] for line in plain[1:]] == ["lyon", "rome"]
    assert contents(site) == before


def test_plan_answers_what_if(cli: Cli, site: Database) -> None:
    before = contents(site)
    lines = cli.ok("plan", "--set", "ce.lyon.capacity=50", "--demand", "lhcb=40").lines
    assert lines[0] == "supposed: ce.lyon.capacity=50, demand of lhcb=40"
    assert "(supposed)" in lines[1]
    plan = cli.json("plan", "--set", "ce.lyon.capacity=50", "--demand", "lhcb=40")

    assert sum(one["granted"] for decisions in plan.values() for one in decisions) == 48
    assert "did you mean 'lyon'" in cli.refused("plan", "--set", "ce.lion.capacity=50")
    assert "is not like" in cli.refused("plan", "--set", "lyon")
    assert "is not like" in cli.refused("plan", "--demand", "lhcb")
    assert "is not like" in cli.refused("plan", "--replay", "yesterday")
    assert "leave out --set" in cli.refused("plan", "--replay", "2026-01-01", "--vo", "lhcb")
    assert "did you mean 'fill_all'" in cli.refused("plan", "--policy", "fil_all")
    assert contents(site) == before
