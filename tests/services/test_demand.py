"""Demand from a source: its own task asks and stores it, and a rule holds while it is unknown."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.expectations import PASSWORD, refused
from tests.factories import a_ce
from tests.services.test_demand_http import endpoint
from tests.services.test_demand_totals import from_file, reserve, says
from tests.services.world import World
from worker.db import ces, vos
from worker.demand import registry
from worker.domain.errors import DemandUnknown, Invalid
from worker.domain.pilot import Status
from worker.domain.schedule import Outcome
from worker.domain.values import ChangedVO
from worker.domain.vo import DEFAULT_VO
from worker.services.observe import answers, overview
from worker.services.operate import apply, vo_inventory
from worker.services.operate.inventory_file import Wanted
from worker.services.tasks import ask_demand, ticks
from worker.services.tasks.dispatch import dispatch
from worker.services.tasks.submit_pilots import submit_pilots


def from_source(world: World, **source: Any) -> None:
    world.change(lambda tx: vos.change(tx, DEFAULT_VO, source=source))


def echo(text: str, **more: Any) -> dict[str, Any]:
    return {"kind": "command", "command": ["echo", text], **more}


def test_what_a_source_answers_is_the_demand(world: World) -> None:
    world.ce(a_ce().with_capacity(50))
    from_source(world, **echo('{"jobs": [{"waiting": 7}]}', path="jobs.0.waiting"))
    assert reserve(world) == 0
    assert ask_demand.ask_demand(world.runtime(), DEFAULT_VO).counts == {"demand": 7}
    assert reserve(world) == 7
    assert reserve(world) == 0


@pytest.mark.parametrize(("rule", "count"), [("hold", 0), ("trickle", 3), ("fill", 50)])
def test_while_it_is_not_known_the_rule_of_the_vo_holds_and_is_told(
    world: World, rule: str, count: int
) -> None:
    ce = world.ce(a_ce().with_capacity(50))
    source = {"kind": "command", "command": ["false"], "unknown": rule, "trickle": 3}
    from_source(world, **source)
    assert ask_demand.ask_demand(world.runtime(), DEFAULT_VO).outcome is Outcome.FAILED
    assert reserve(world) == count
    [decision] = overview.explain(world.runtime(), ce.name)
    assert f"the rule is {rule}" in decision.trace["vo"]["note"]
    assert "exit code 1" in decision.trace["vo"]["note"]


def test_an_answer_counts_until_it_is_too_old(world: World) -> None:
    world.ce(a_ce().with_capacity(50))
    from_source(world, **echo("2", keep=300, unknown="trickle", trickle=5))
    ask_demand.ask_demand(world.runtime(), DEFAULT_VO)
    world.wait(299)
    assert reserve(world) == 2
    world.wait(2)
    assert reserve(world) == 3


def test_a_source_that_fails_leaves_the_last_answer_and_never_fails_the_tick(world: World) -> None:
    world.ce(a_ce().with_capacity(50))
    says(world, 4)
    from_source(world, **from_file(world))
    ask_demand.ask_demand(world.runtime(), DEFAULT_VO)
    says(world, None)
    assert ask_demand.ask_demand(world.runtime(), DEFAULT_VO).outcome is Outcome.FAILED
    assert reserve(world) == 4


CHANGES = {
    "another source": {"source": {"kind": "command", "command": ["echo", "2"]}},
    "another meaning": {"source": {"kind": "command", "command": ["echo", "9"], "counts": "total"}},
    "no source": {"source": None, "demand": 0},
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("by", ["vo set", "apply"])
def test_the_answer_of_a_source_that_was_replaced_counts_no_longer(
    world: World, changes: dict[str, Any], by: str
) -> None:
    world.ce(a_ce().with_capacity(50))
    from_source(world, **echo("9"))
    ask_demand.ask_demand(world.runtime(), DEFAULT_VO)
    if by == "vo set":
        vo_inventory.change_vo(world.runtime(), DEFAULT_VO, ChangedVO(**changes))  # type: ignore[typeddict-item]
    else:
        apply_to_vo(world, **changes)
    assert reserve(world) == 0
    assert answers.answer_of(world.runtime(), DEFAULT_VO).source_answer is None


def test_an_answer_stays_when_its_vo_is_changed_in_another_way(world: World) -> None:
    world.ce(a_ce().with_capacity(50))
    from_source(world, **echo("9"))
    ask_demand.ask_demand(world.runtime(), DEFAULT_VO)
    apply_to_vo(world, share=2.0, source=echo("9"))
    assert reserve(world) == 9


def apply_to_vo(world: World, **changes: Any) -> None:
    """Apply a file in which the VO has other values, and all else is as it is."""
    with world.database.uow() as tx:
        vo = replace(vos.get(tx, DEFAULT_VO), **changes)
        present = {ce.name: ce for ce in ces.find(tx).items}
    wanted = Wanted(
        vos={vo.name: vo},
        ces=present,
        only_for=dict.fromkeys(present),
        schedules=[],
        credentials=[],
        payloads={},
    )
    apply.apply(world.runtime(), wanted, dry_run=False)


@pytest.mark.parametrize("error", [None, DemandUnknown("http", "no route")])
def test_an_answer_of_a_source_that_was_replaced_meanwhile_is_dropped(
    world: World, error: DemandUnknown | None
) -> None:
    world.ce(a_ce().with_capacity(50))
    from_source(world, **echo("1000"))

    def answer_late(vo: str, source: object) -> int:
        vo_inventory.change_vo(world.runtime(), vo, ChangedVO(source=echo("2")))
        if error is not None:
            raise error
        return 1000

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "ask", answer_late)
        result = ask_demand.ask_demand(world.runtime(), DEFAULT_VO)
    assert result.outcome is Outcome.SKIPPED
    assert result.lines == (f"the source of VO {DEFAULT_VO} was changed meanwhile",)
    assert (world.nudges, reserve(world)) == ([], 0)
    assert answers.answer_of(world.runtime(), DEFAULT_VO).source_problem is None
    assert ask_demand.ask_demand(world.runtime(), DEFAULT_VO).counts == {"demand": 2}


def test_a_question_that_was_killed_holds_up_the_next_for_no_longer_than_one_may_take(
    world: World,
) -> None:
    from_source(world, **echo("7", timeout=5))

    class Killed(BaseException):
        """Stands for the end of a process: no `except Exception` catches it."""

    def die(vo: str, source: object) -> int:
        raise Killed

    first = world.runtime(holder="another process")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "ask", die)
        with pytest.raises(Killed):
            ask_demand.ask_demand(first, DEFAULT_VO)
    assert ask_demand.ask_demand(world.runtime(), DEFAULT_VO).outcome is Outcome.SKIPPED
    world.wait(2 * 5 + 10)
    assert ask_demand.ask_demand(world.runtime(), DEFAULT_VO).counts == {"demand": 7}


def test_a_command_gets_none_of_our_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", f"postgresql://me:{PASSWORD}@host/db")
    monkeypatch.setenv("OF_THE_HOST", "5")
    command = ["/bin/sh", "-c", "env | grep -q ^PILOTAGE_ || echo $OF_THE_HOST"]
    assert registry.ask("lhcb", {"kind": "command", "command": command}) == 5


def test_an_endpoint_is_asked_with_its_token_which_is_told_to_nobody(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token = tmp_path / "token"
    token.write_text("s3cr3t\n")
    with endpoint({"a": {"b": 5}}) as (url, requests):
        source = {"kind": "http", "url": f"{url}/{{vo}}", "path": "a.b", "token_file": str(token)}
        assert registry.ask("lhcb/x", source) == 5
    [(_, path, headers, _)] = requests
    assert (path, headers["Authorization"]) == ("/lhcb%2Fx", "Bearer s3cr3t")
    with pytest.raises(DemandUnknown) as error:
        registry.ask("lhcb", source)
    assert "s3cr3t" not in str(error.value) + caplog.text


@pytest.mark.parametrize(
    ("answer", "status", "why"),
    [
        (b"<html>", 200, "not JSON"),
        (b'{"a": 1}', 200, "not a whole number"),
        (b"-1", 200, "not a whole number from 0"),
        (b"1.5", 200, "not a whole number"),
        (b"99999999999", 200, "not a whole number"),
        (b"true", 200, "not a whole number"),
        (b"", 200, "not JSON"),
        (b"3", 500, "answered 500"),
        (b" " * 2_000_000, 200, "more than"),
    ],
)
def test_a_bad_answer_is_unknown(answer: bytes, status: int, why: str) -> None:
    with endpoint(answer, status) as (url, _), refused(DemandUnknown, why):
        registry.ask("lhcb", {"kind": "http", "url": url})


def test_a_query_is_asked_of_somebodys_database(world: World, tmp_path: Path) -> None:
    where = tmp_path / "url"
    where.write_text(world.database.url.render_as_string(hide_password=False) + "\n")
    source = {"kind": "sql", "url_file": str(where)}
    assert registry.ask("default", {**source, "query": "SELECT 7"}) == 7
    by_name = "SELECT count(*) FROM vos WHERE name = :vo"
    assert registry.ask("default", {**source, "query": by_name}) == 1
    for query in ("SELECT 1, 2", "SELECT 'x'", "SELECT nothing", "SELECT 1 WHERE 1 = 2"):
        with refused(DemandUnknown):
            registry.ask("default", {**source, "query": query})
    with refused(DemandUnknown, "No such file"):
        registry.ask("default", {**source, "url_file": "/no/such", "query": "SELECT 1"})


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ({"kind": "htp"}, "did you mean 'http'"),
        ({}, "known: celery, command, condor, dask, github, http, prometheus, sql"),
        ({"kind": "http", "url": "x", "pth": "a"}, "did you mean 'path'"),
        ({"kind": "http"}, "url"),
        ({"kind": "http", "url": "http://user:secret@host/"}, "url"),
        ({"kind": "command", "command": []}, "command"),
        ({"kind": "command", "command": ["x"], "unknown": "perhaps"}, "unknown"),
    ],
)
def test_what_a_source_is_told_is_checked(source: dict[str, Any], why: str) -> None:
    with refused(Invalid, why):
        registry.check(source)


def test_surplus_is_cancelled_once_the_demand_has_stayed_low(world: World) -> None:
    ce = world.ce(a_ce().with_capacity(50), queue_time=100_000.0)
    world.change(lambda tx: vos.change(tx, DEFAULT_VO, demand=6, cancel_surplus=True))
    reserve(world)
    world.check(ce)
    dispatch(world.runtime(), ce.name)
    world.change(lambda tx: vos.change(tx, DEFAULT_VO, demand=2))
    counts = []
    for _ in range(13):
        world.wait(60)
        counts.append(submit_pilots(world.runtime(), DEFAULT_VO).counts.get("surplus", 0))
    assert sum(counts[:10]) == 0
    assert sum(counts) == 4
    surplus = [p for p in world.pilots() if p.cancel_requested_at is not None]
    assert len(surplus) == 4
    assert {p.status for p in surplus} == {Status.SUBMITTED}


def test_a_dip_cancels_nothing_and_neither_does_an_unknown_demand(world: World) -> None:
    world.ce(a_ce().with_capacity(50))
    world.change(lambda tx: vos.change(tx, DEFAULT_VO, demand=6, cancel_surplus=True))
    reserve(world)
    for number in range(40):
        demand = 2 if number % 8 else 6
        world.change(lambda tx, demand=demand: vos.change(tx, DEFAULT_VO, demand=demand))  # type: ignore[misc]
        world.wait(60)
        reserve(world)
    from_source(world, kind="command", command=["false"])
    for _ in range(20):
        world.wait(60)
        reserve(world)
    assert world.statuses() == {"reserved": 6}


def test_an_answer_that_rose_nudges_the_allocation_at_once(world: World) -> None:
    def nudges_after(number: int) -> list[tuple[str, str]]:
        says(world, number)
        world.nudges.clear()
        ask_demand.ask_demand(world.runtime(), DEFAULT_VO)
        return world.nudges

    from_source(world, **from_file(world))
    nudge = ("submit_pilots", DEFAULT_VO)

    assert nudges_after(0) == []
    assert nudges_after(3) == [nudge]
    assert nudges_after(3) == []
    assert nudges_after(2) == []
    assert nudges_after(4) == [nudge]


def test_a_source_that_answers_again_nudges_the_allocation_though_it_wants_no_more(
    world: World,
) -> None:
    from_source(world, **from_file(world))
    for number in (3, None, 3):
        says(world, number)
        world.nudges.clear()
        ask_demand.ask_demand(world.runtime(), DEFAULT_VO)

    assert world.nudges == [("submit_pilots", DEFAULT_VO)]


@pytest.mark.parametrize("vo", [DEFAULT_VO, None], ids=["for the VO", "for all"])
def test_an_allocation_that_is_disabled_is_not_nudged(world: World, vo: str | None) -> None:
    runtime = world.runtime()
    ticks.set_schedule(runtime, "submit_pilots", vo=vo, enabled=False)
    from_source(world, **echo("3"))
    world.nudges.clear()
    ask_demand.ask_demand(runtime, DEFAULT_VO)

    assert world.nudges == []
