"""A site with something of every kind, for tests that look at all pages."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

from tests.factories import PATHS, CEBuilder, a_ce, a_decision, a_pilot, a_schedule, a_vo
from tests.records import a_change, a_credential, a_maintenance, a_pause, a_report
from tests.secrets import a_token
from tests.services.world import STEADY, World
from tests.web.test_explain_reasons import CASES, decide
from worker.db import ces, decisions, health, payloads, sending, trials, vos
from worker.db.uow import Transaction
from worker.domain.credential import CredentialKind
from worker.domain.payload import Payload, plain
from worker.domain.pilot import FINAL, Cause, ExitMeaning, Status, Use
from worker.domain.sending import Sending
from worker.domain.trial import Trial
from worker.services.tasks.submit_pilots import submit_pilots

MINUTE = timedelta(minutes=1)

BUSY = {
    Status.RESERVED: 6,
    Status.SUBMITTING: 3,
    Status.SUBMITTED: 40,
    Status.RUNNING: 180,
    Status.DONE: 90,
    Status.FAILED: 9,
    Status.LOST: 4,
    Status.CANCELLED: 5,
}
"""The pilots of a busy CE, by status."""


@dataclass
class Prepared:
    """The site, and the values for addresses of its pages."""

    world: World
    pilots: dict[str, int] = field(default_factory=dict)
    """The number of a pilot of each status, each cause and each use."""
    reasons: list[str] = field(default_factory=list)
    """The addresses that explain a decision of each kind."""


def prepare(world: World, folder: Path) -> Prepared:
    """Make the site, at the present time."""
    folder.mkdir(exist_ok=True)
    site = Prepared(world)
    with world.database.uow() as tx:
        _make_vos(tx)
        _make_ces(tx)
        _make_pilots(tx, site)
        _make_troubles(tx, world)
        _make_records(tx, world, folder)
        site.reasons = list(_decide(tx, world))
    for vo in ("lhcb", "atlas", "cms"):
        submit_pilots(world.runtime(), vo)
    return site


def _make_vos(tx: Transaction) -> None:
    a_vo().named("lhcb").with_share(2).demanding(900).create(tx)
    a_vo().named("atlas").limited_to(300).create(tx)
    a_vo().named("cms").disabled().create(tx)
    a_vo().named("ops").create(tx)
    vos.change(tx, "ops", draining=True)
    payload = Payload(script="#!/bin/sh\nexec dirac-pilot\n", exit_codes={"3": ExitMeaning.EMPTY})
    payloads.put(tx, "lhcb", plain(payload))


def _make_ces(tx: Transaction) -> None:
    def busy(name: str, capacity: int) -> CEBuilder:
        return a_ce().named(name).with_capacity(capacity).with_options(**STEADY)

    busy("lyon", 500).tagged("eu", "tier1").create(tx)
    busy("geneva", 400).tagged("eu").create(tx)
    for name in ("bari", "rome", "kosice", "madrid", "site/partition"):
        busy(name, 40).create(tx)
    busy("oslo", 20).disabled().create(tx)


def _make_troubles(tx: Transaction, world: World) -> None:
    now = world.now()
    ces.change(tx, "lyon", waiting_limit=120)
    ces.change(tx, "madrid", draining=True, drain_by=now + timedelta(hours=6))
    hold = sending.SendingChange(
        ce="bari",
        was=Sending.NORMAL,
        became=Sending.HELD,
        reason="new disks, until somebody has tried them",
        by_hand=True,
        at=now - 38 * MINUTE,
    )
    sending.change(tx, hold, hold.reason, hold.at)
    pause = replace(
        hold,
        ce="rome",
        became=Sending.PAUSED,
        reason="11 failed starts in a row (limit 3)",
        by_hand=False,
    )
    sending.change(tx, pause, pause.reason, pause.at)
    silent = replace(
        health.get(tx, "kosice"),
        failed_calls=5,
        last_answered_at=now - 23 * MINUTE,
        unanswered_since=now - 22 * MINUTE,
        last_error="squeue: connect to host login.kosice.example.org port 22: timed out",
        retry_at=now + 2 * MINUTE,
    )
    health.save(tx, "kosice", silent)
    refused = Trial(
        vo="atlas",
        ce="geneva",
        most=1,
        failures=2,
        retry_at=now + 2 * MINUTE,
        refused_at=now,
        reason="sbatch: error: QOSMaxSubmitJobPerUserLimit: Job violates accounting/QOS policy",
    )
    trials.save(tx, [refused, replace(refused, ce="lyon", retry_at=now)])
    answering = replace(health.get(tx, "lyon"), last_answered_at=now - MINUTE)
    health.save(tx, "lyon", answering)


def _make_pilots(tx: Transaction, site: Prepared) -> None:
    begin = site.world.now() - 50 * MINUTE
    for place, part in (("lyon", 1.0), ("geneva", 0.6), ("kosice", 0.1), ("madrid", 0.05)):
        ce = ces.get(tx, place)
        some = a_pilot().on(ce).at(begin).for_vo(vos.get(tx, "lhcb")).due_at(begin + 300 * MINUTE)
        for status, count in BUSY.items():
            pilots = some.that_is(status).create_many(tx, max(1, int(count * part)))
            site.pilots.setdefault(str(status), pilots[0].id)
        for cause in Cause:
            site.pilots.setdefault(str(cause), some.failed(cause).create(tx).id)
        for use in Use:
            site.pilots.setdefault(str(use), some.done(use).create(tx).id)
    assert set(BUSY) == set(PATHS) >= FINAL


def _make_records(tx: Transaction, world: World, folder: Path) -> None:
    now, rome = world.now(), ces.get(tx, "rome")
    a_maintenance().of(rome).at(now + timedelta(hours=3)).because("power").create(tx)
    a_pause().of(ces.get(tx, "lyon")).at(now - timedelta(hours=5)).create(tx)
    for n in range(12):
        a_report().of(pilots={"running": 100 + 10 * n}, free_slots=200).at(
            now - timedelta(hours=12 - n)
        ).create(tx)
    for task in ("learn", "report", "check_pilots", "dispatch"):
        a_schedule().of(task).create(tx)
    a_schedule().of("prune").by_cron("0 3 * * *").disabled().create(tx)
    for name, exp in (("valid", now + timedelta(days=9)), ("over", now - timedelta(hours=2))):
        path = a_token(folder / name, exp=int(exp.timestamp()))
        credential = a_credential().of_kind(CredentialKind.TOKEN).at_path(str(path))
        credential.for_backend({"valid": "arc", "over": "htcondor"}[name]).create(tx)
    absent = a_credential().for_vo(vos.get(tx, "lhcb")).for_backend("arc")
    absent.at_path("/nowhere/proxy.pem").create(tx)
    for who, what in (("alice (person)", "lyon"), ("robot (token)", "geneva")):
        a_change().by(who).of("ce", what).at(now - 7 * MINUTE).create(tx)


def _decide(tx: Transaction, world: World) -> Iterator[str]:
    """Store a decision of each kind, a minute apart; yield the address of each."""
    begin = world.now() - timedelta(hours=3)
    for number, (places, others, *_) in enumerate(CASES.values()):
        at = begin + number * MINUTE
        tick = [replace(one.decision, at=at) for one in decide(*places, **others)]
        decisions.add(tx, tick)
        yield "/explain?" + urlencode({"ce": "bari", "vo": "lhcb", "at": at.isoformat()})
    before = a_decision().on(ces.get(tx, "rome")).for_vo(vos.get(tx, "atlas")).at(begin)
    before.tracing({"slots": 3}).granting(0).because("no slot").create(tx)
    yield "/explain?" + urlencode({"ce": "rome", "vo": "atlas", "at": begin.isoformat()})
