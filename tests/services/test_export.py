"""`export` followed by `apply` reproduces the inventory, whatever is in it."""

import tomllib
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.databases import Sqlite
from tests.factories import NOW
from tests.runtimes import runtime_on
from worker.backends import registry
from worker.db import ces, credentials, payloads, schedules, vos
from worker.db.database import Database
from worker.db.pages import PageRequest
from worker.db.schedules import Schedule
from worker.db.uow import Transaction, UnitOfWork
from worker.domain.ce import CE
from worker.domain.credential import Credential, CredentialKind
from worker.domain.payload import plain, read
from worker.domain.variable import Kind
from worker.domain.vo import ALL_VOS, DEFAULT_VO, VO
from worker.services.operate import inventory_file
from worker.services.operate.apply import apply
from worker.services.operate.export import export
from worker.services.operate.toml_text import document
from worker.services.runtime import Runtime
from worker.services.tasks import catalogue

BACKENDS = registry.discover()
ALL = PageRequest(limit=1000)

Draw = Callable[[st.SearchStrategy[Any]], Any]

names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,12}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
lines = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=12)
counts = st.sampled_from([0, 1, 7, 2**31 - 1])
limits = st.none() | counts
seconds = st.floats(min_value=0.125, max_value=10 * 365 * 86400)
walltimes = seconds | st.integers(1, 10**6)
moments = st.integers(0, 10**15).map(lambda n: NOW + timedelta(microseconds=n))
lengths = st.integers(1, 10 * 365 * 86400).map(lambda n: timedelta(seconds=n))
scripts = st.tuples(texts, st.sampled_from(["\necho", "true", "\r\n'''\nx", "#!/bin/sh\n", "x'"]))
words = st.lists(texts, min_size=1, max_size=3).filter(lambda one: bool(one[0].strip()))
variables = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)

OPTIONS: dict[str, Any] = {
    "sim": st.fixed_dictionaries({}, optional={"queue_time": seconds, "run_time": seconds}),
    "slurm": st.fixed_dictionaries(
        {},
        optional={
            "command": scripts.map("".join) | words,
            "environment": st.dictionaries(variables, texts, max_size=3),
            "requeue": st.booleans(),
            "cpus": st.integers(1, 100_000),
            "walltime": walltimes,
            "arguments": st.just(["--exclusive", "--licenses=a \"b\" \\ 'c'"]),
        },
    ),
}
SOURCES = st.none() | st.fixed_dictionaries(
    {"kind": st.just("command"), "command": words},
    optional={"timeout": st.just(2.5), "path": st.just("jobs.waiting")},
)
VARIABLES: dict[str, Any] = {
    "a": st.fixed_dictionaries({"type": st.just(Kind.TEXT), "default": st.just("x.y")}),
    "b": st.fixed_dictionaries(
        {"type": st.just(Kind.WHOLE), "default": st.just(3)}, optional={"least": st.just(1)}
    ),
    "c": st.fixed_dictionaries({"type": st.just(Kind.FLAG), "default": st.booleans()}),
    "d": st.fixed_dictionaries(
        {"type": st.just(Kind.NUMBER), "default": st.just(0.5), "choices": st.just([0.5, 1e300])}
    ),
}


@st.composite
def owners(draw: st.DrawFn, name: str) -> VO:
    return VO(
        name=name,
        share=draw(st.floats(min_value=0, max_value=1e6)),
        limit=draw(limits),
        demand=draw(limits),
        enabled=draw(st.booleans()),
        draining=draw(st.booleans()),
        budget=draw(limits),
        cancel_surplus=draw(st.booleans()),
        wait_at_most=draw(st.none() | lengths),
        run_at_most=draw(st.none() | lengths),
        silent_at_most=draw(st.none() | lengths),
        demand_min=draw(limits),
        demand_max=draw(limits),
        scale_down_delay=draw(st.none() | lengths),
        source=draw(SOURCES),
    )


@st.composite
def places(draw: st.DrawFn, name: str) -> CE:
    backend = draw(st.sampled_from(sorted(OPTIONS)))
    return CE(
        name=name,
        backend=backend,
        capacity=draw(counts),
        success_rate=draw(st.floats(min_value=0, max_value=1)),
        waiting_limit=draw(limits),
        enabled=draw(st.booleans()),
        draining=draw(st.booleans()),
        drain_by=draw(st.none() | moments),
        end_running=draw(st.booleans()),
        wait_at_most=draw(st.none() | lengths),
        run_at_most=draw(st.none() | lengths),
        silent_at_most=draw(st.none() | lengths),
        cancel_strangers=draw(st.booleans()),
        tags=tuple(draw(st.lists(names, max_size=3))),
        options=draw(OPTIONS[backend]),
    )


def fill(draw: Draw, tx: Transaction) -> None:
    """Fill an empty database with an inventory."""
    free = names.filter(lambda name: name not in (ALL_VOS, DEFAULT_VO))
    own = draw(st.lists(free, max_size=3, unique=True))
    default = draw(owners(DEFAULT_VO))
    changes = {name: getattr(default, name) for name in ("share", "limit", "source")}
    vos.change(tx, DEFAULT_VO, **changes)
    for name in own:
        vos.add(tx, draw(owners(name)))
    everybody = [DEFAULT_VO, *own]
    at = draw(st.lists(names, max_size=3, unique=True))
    for name in at:
        add_ce(draw, tx, name, everybody)
    for owner in (None, *everybody):
        add_credentials(draw, tx, owner)
        add_schedule(draw, tx, owner)
    for owner in draw(st.lists(st.sampled_from(everybody), unique=True)):
        payloads.put(tx, owner, payload(draw, at))


def add_ce(draw: Draw, tx: Transaction, name: str, everybody: list[str]) -> None:
    ces.add(tx, draw(places(name)))
    ces.allow(tx, name, draw(st.lists(st.sampled_from(everybody), max_size=2)))
    if draw(st.booleans()) and not ces.allowed(tx, name):
        ces.change(tx, name, open_to_all=False)  # as if the one VO that it was for was removed


def add_credentials(draw: Draw, tx: Transaction, owner: str | None) -> None:
    for kind in draw(st.lists(st.sampled_from(CredentialKind), max_size=2, unique=True)):
        one = Credential(
            vo=owner,
            backend=draw(st.sampled_from(["arc", "slurm"])),
            kind=kind,
            path=f"/etc/{draw(lines)}",
            renew=draw(st.none() | words.map(tuple)),
        )
        credentials.add(tx, one)


def add_schedule(draw: Draw, tx: Transaction, owner: str | None) -> None:
    task = draw(st.sampled_from(["submit_pilots"] if owner else sorted(catalogue.tasks())))
    when: dict[str, Any] = draw(
        st.fixed_dictionaries({"every": seconds}) | st.just({"cron": "*/5 2-4 * * mon"})
    )
    if draw(st.booleans()):
        schedules.put(tx, Schedule(task=task, vo=owner, enabled=draw(st.booleans()), **when))


def payload(draw: Draw, ce_names: list[str]) -> dict[str, Any]:
    own = draw(st.lists(st.sampled_from(sorted(VARIABLES)), unique=True))
    at = draw(st.lists(st.sampled_from(ce_names), unique=True)) if ce_names else []
    script = "".join(draw(scripts)).replace("@", "(a)")
    values = {
        "script": script + "".join(f" @{{{name}}}" for name in own),
        "arguments": [word.replace("@", "") for word in draw(st.lists(lines, max_size=3))],
        "variables": {name: draw(VARIABLES[name]) for name in own},
        "at": {ce: {"c": True} if "c" in own else {} for ce in at},
    }
    return plain(read(values))


def inventory(tx: Transaction) -> dict[str, Any]:
    present = ces.find(tx, asked=ALL).items
    rows = schedules.get_all(tx)
    return {
        "vos": vos.find(tx, asked=ALL).items,
        "ces": present,
        "allowed": [ces.allowed(tx, ce.name) for ce in present],
        "credentials": credentials.get_all(tx),
        "payloads": payloads.of_vos(tx, vos.names(tx)),
        "schedules": [(row.task, row.vo, row.every, row.cron, row.enabled) for row in rows],
    }


def by_hand(uow: UnitOfWork) -> Runtime:
    database = cast("Database", SimpleNamespace(uow=uow))
    return replace(runtime_on(database), now=lambda: NOW, by_hand=True)


@pytest.mark.slow
def test_export_then_apply_is_the_identity(sqlite_template: Sqlite, tmp_path: Path) -> None:
    file = tmp_path / "site.toml"

    # Without shrinking: the search for the smallest inventory that fails takes minutes.
    @settings(max_examples=60, deadline=None, phases=[Phase.explicit, Phase.generate])
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        with sqlite_template.in_memory() as old, sqlite_template.in_memory() as new:
            with old() as tx:
                fill(data.draw, tx)
            text = export(by_hand(old))
            file.write_text(text, encoding="utf-8")
            content = inventory_file.read(file, BACKENDS)

            assert apply(by_hand(old), content, dry_run=False) == []
            apply(by_hand(new), content, dry_run=False)
            assert apply(by_hand(new), content, dry_run=True) == []
            with old() as tx:
                before = inventory(tx)
            with new() as tx:
                assert inventory(tx) == before
            assert export(by_hand(new)) == text

    holds()


@pytest.mark.parametrize("item", ["a\nb", "'''\n", "\\", '"', "\t", "\x7f", "\u2028", "x'\n'", "é"])
def test_a_text_is_written_as_it_is_read(item: str) -> None:
    assert tomllib.loads(document({("a b",): {"k.x": item}})) == {"a b": {"k.x": item}}
