"""Credentials of VOs: an unusable one stops its own VO only, and changes no status."""

import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.databases import installed
from tests.expectations import refused, statements
from tests.factories import NOW, a_ce, a_pilot
from tests.secrets import HOUR, a_proxy, a_token, write
from tests.services.world import Fake, World
from worker.backends import shell
from worker.backends.contract import Means
from worker.backends.sim import BACKEND as SIM
from worker.backends.sim.options import SimOptions
from worker.db import credentials, uow, vos
from worker.domain.ce import CE
from worker.domain.ce_answers import Order, Receipt
from worker.domain.credential import Credential, CredentialKind, State
from worker.domain.errors import (
    AlreadyExists,
    ConfirmationNeeded,
    CredentialProblem,
    Invalid,
    UnknownBackend,
    UnknownCredential,
    UnknownVO,
)
from worker.domain.pilot import Status
from worker.domain.schedule import Outcome
from worker.domain.values import NewCredential
from worker.domain.vo import DEFAULT_VO
from worker.services import credentials as service
from worker.services.observe import overview
from worker.services.runtime import Runtime, TaskResult
from worker.services.tasks import renew_credentials, report, submit_pilots
from worker.services.tasks.dispatch import dispatch

PROXY, TOKEN = CredentialKind.PROXY, CredentialKind.TOKEN


class Asking(SimOptions):
    """A simulated CE that asks for a credential of each VO."""

    @property
    def credential(self) -> CredentialKind:
        return TOKEN


class Listening(Fake):
    """A driver that keeps the credentials that it gets."""

    def for_ce(self, ce: CE, options: Any, means: Means) -> Any:
        self.means = means
        return super().for_ce(ce, options, means)

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        self.answers = self.means.credentials(TOKEN)
        return super().submit(orders)


def asking(world: World, driver: Fake | None = None, **changes: Any) -> Runtime:
    """Return a runtime whose simulated CEs need a token of each VO."""
    listening = driver or Listening()
    own = replace(SIM, options=Asking, driver=listening.for_ce)
    return world.runtime(backends={**installed(), SIM.name: own}, **changes)


def token(world: World, name: str, hours: float = 1, begins: datetime | None = None) -> Path:
    world.home.mkdir(exist_ok=True)
    begin = begins or world.clock
    end = world.clock + hours * HOUR
    return a_token(world.home / name, iat=int(begin.timestamp()), exp=int(end.timestamp()))


def add_credential(world: World, path: Path, vo: str | None = None, **more: Any) -> Credential:
    """Add a credential by its path, as an operator does."""
    values: Any = {"vo": vo, "backend": "sim", "kind": TOKEN, "path": str(path), **more}
    service.add(world.runtime(), values)
    return Credential(**values)


def all_credentials(world: World) -> list[Credential]:
    with world.database.uow() as tx:
        return credentials.get_all(tx)


def run(world: World) -> TaskResult:
    return renew_credentials.renew_credentials(world.runtime())


# Which VO may use a CE


def test_a_vo_whose_credential_has_expired_is_left_out_and_stays_where_it_is(
    world: World,
) -> None:
    ce, poor = world.ce(), world.vo()
    add_credential(world, token(world, "all"))
    path = token(world, "poor", 0.1)
    add_credential(world, path, poor.name)
    mine, theirs = world.reserve(ce, 2), world.reserve(ce, 3, poor.name)
    world.wait(18 * 60)
    driver = Listening()
    result = dispatch(asking(world, driver), ce.name)

    why = f"the token of VO {poor.name} for sim expired 12 min ago: {path}"
    assert result.counts == {"submitted": 2, "refused": 0, "in doubt": 0}
    assert result.lines == (why,)
    assert {world.pilot(one).status for one in theirs} == {Status.RESERVED}
    assert {world.pilot(one).status for one in mine} == {Status.SUBMITTED}
    assert (world.health(ce).failed_calls, world.health(ce).retry_at) == (0, None)
    assert driver.answers[DEFAULT_VO] == world.home / "all"
    assert isinstance(driver.answers[poor.name], CredentialProblem)

    token(world, "poor")
    assert dispatch(asking(world), ce.name).counts["submitted"] == 3


def test_with_no_vo_left_the_ce_is_not_called_and_no_token_is_spent(world: World) -> None:
    ce = world.ce(submissions_per_minute=2)
    world.reserve(ce, 2)
    driver = Listening()
    result = dispatch(asking(world, driver), ce.name)

    assert (result.outcome, driver.calls) == (Outcome.SKIPPED, [])
    [line] = result.lines
    assert line.startswith("VO default has no token for sim: add one with")
    assert world.lease(ce) is None
    add_credential(world, token(world, "all"))
    assert dispatch(asking(world), ce.name).counts["submitted"] == 2


def test_a_rate_limit_is_spent_by_what_is_sent_alone(world: World) -> None:
    ce, poor = world.ce(submissions_per_minute=3), world.vo()
    add_credential(world, token(world, "all"))
    add_credential(world, world.home / "missing", poor.name)
    world.reserve(ce, 5, poor.name)
    world.reserve(ce, 2)
    assert dispatch(asking(world), ce.name).counts["submitted"] == 2
    world.reserve(ce, 1)
    assert dispatch(asking(world), ce.name).counts["submitted"] == 1


def test_a_file_is_read_with_no_unit_of_work_open(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ce = world.ce()
    add_credential(world, token(world, "all"))
    world.reserve(ce, 1)
    states = []
    os_open = os.open

    def watch(path: Any, *args: Any, **kwargs: Any) -> int:
        if str(path).startswith(str(world.home)):
            states.append(uow.is_open())
        return os_open(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", watch)
    dispatch(asking(world), ce.name)
    run(world)
    submit_pilots.plan(asking(world), DEFAULT_VO)

    assert states == [False, False, False]  # read before the claim, by the driver and by the task


def test_a_ce_that_asks_for_no_credential_needs_none(world: World) -> None:
    ce = world.ce()
    world.reserve(ce, 1)

    assert dispatch(world.runtime(), ce.name).counts["submitted"] == 1
    assert submit_pilots.plan(world.runtime(), DEFAULT_VO).counts["would reserve"] == 9


def test_a_decision_says_whose_credential_has_expired(world: World) -> None:
    ce, poor = world.ce(), world.vo()
    add_credential(world, token(world, "all"))
    path = token(world, "poor", 0.1)
    add_credential(world, path, poor.name)
    world.wait(18 * 60)
    run(world)
    runtime = asking(world)

    assert submit_pilots.submit_pilots(runtime, poor.name).counts["reserved"] == 0
    assert submit_pilots.submit_pilots(runtime, DEFAULT_VO).counts["reserved"] > 0
    [decision] = overview.explain(world.runtime(), ce.name, vo=poor.name)
    assert decision.reason == f"the token of VO {poor.name} for sim expired 12 min ago: {path}"


def test_a_vo_without_a_credential_takes_no_share_of_what_it_cannot_use(world: World) -> None:
    world.ce(a_ce().with_capacity(10))
    poor = world.vo()
    add_credential(world, token(world, "all"))
    add_credential(world, token(world, "poor", 0.1), poor.name)
    runtime = asking(world)
    assert submit_pilots.plan(runtime, DEFAULT_VO).counts["would reserve"] == 5
    world.wait(18 * 60)
    assert submit_pilots.plan(runtime, DEFAULT_VO).counts["would reserve"] == 10


def test_an_expiry_needs_nobody_to_look_at_the_file(world: World) -> None:
    world.ce()
    add_credential(world, token(world, "all", 1))
    runtime = asking(world)
    assert submit_pilots.plan(runtime, DEFAULT_VO).counts["would reserve"] == 10
    world.wait(hours=2)
    assert submit_pilots.plan(runtime, DEFAULT_VO).counts["would reserve"] == 0


def test_decisions_take_as_many_statements_for_many_ces(world: World) -> None:
    counts = []
    for number in (1, 20):
        for _ in range(number):
            world.ce(a_ce().with_capacity(0))
        with statements(world.database.engine) as sql:
            submit_pilots.plan(asking(world), DEFAULT_VO)
        counts.append(len(sql))
    assert counts[0] == counts[1]


def test_the_end_of_a_credential_changes_no_status(world: World) -> None:
    ce = world.ce()
    path = token(world, "all")
    add_credential(world, path)
    runtime = asking(world)
    world.reserve(ce, 2)
    dispatch(runtime, ce.name)

    class LockedOut(Listening):
        def poll(self, *jobs: Any) -> Any:
            raise CredentialProblem("the token of VO default for sim expired")

        find = poll

    world.wait(hours=3)
    locked_out = asking(world, LockedOut())
    for _ in range(5):
        world.wait(600)
        world.check(ce, locked_out)
        world.reconcile(ce, locked_out)
    assert world.statuses() == {"submitted": 2}
    assert world.health(ce).failed_calls == 0


# Care


def test_a_credential_is_added_changed_and_forgotten(world: World) -> None:
    path = token(world, "all", 10)
    add_credential(world, path, renew=("renew", "it"))
    [before] = service.list_all(world.runtime())

    assert (before.vo, before.backend, before.kind) == ("all", "sim", TOKEN)
    assert (before.state, before.seconds_left, before.used) == (State.GOOD, 36000, 0.0)
    assert before.renew == ("renew", "it")
    with refused(AlreadyExists, "token of all for sim"):
        add_credential(world, path)
    after = service.change(world.runtime(), "all", "sim", {"path": "/missing", "renew": None})
    assert (after.state, after.renew) == (State.UNUSABLE, None)
    assert "its file is missing: /missing" in str(after.problem)
    assert all_credentials(world)[0].problem == "its file is missing"
    with refused(ConfirmationNeeded, "the token of all for sim"):
        service.remove(world.runtime(), "all", "sim", kind=TOKEN, yes=False)
    service.remove(world.runtime(), "all", "sim", kind=TOKEN, yes=True)
    assert all_credentials(world) == []
    assert path.exists()


def test_what_is_unknown_is_named(world: World) -> None:
    values: NewCredential = {"backend": "sim", "kind": TOKEN, "path": "/x"}
    runtime = world.runtime()
    with refused(UnknownBackend, "did you mean 'sim'"):
        service.add(runtime, {**values, "backend": "smi"})
    with refused(UnknownVO, "nobody"):
        service.add(runtime, {**values, "vo": "nobody"})
    with refused(UnknownCredential, "token of all for sim"):
        service.show(runtime, "all", "sim", kind=TOKEN)
    for kind in (TOKEN, PROXY):
        service.add(runtime, {**values, "kind": kind})
    with refused(UnknownCredential, "give the kind: proxy, token"):
        service.show(runtime, "all", "sim")


def test_a_credential_goes_with_its_vo(world: World) -> None:
    vo = world.vo()
    add_credential(world, token(world, "own"), vo.name)
    with world.database.uow() as tx:
        vos.remove(tx, vo.name)
    assert all_credentials(world) == []


# Renewing


def script(world: World, line: str) -> tuple[str, ...]:
    """Return a command that runs one line of Python."""
    return (sys.executable, "-c", line)


def writing(path: Path, to: Path) -> str:
    """Return the line of Python that replaces the credential by another file."""
    return f"import os; os.replace({str(to)!r}, {str(path)!r})"


def test_half_used_it_is_renewed_without_any_traffic(world: World) -> None:
    path = token(world, "proxy", 10)
    add_credential(world, path, renew=script(world, writing(path, world.home / "new")))
    world.wait(hours=4.9)
    assert run(world).counts == {"looked at": 1, "renewed": 0, "not renewed": 0, "unusable": 0}
    world.wait(hours=0.2)
    token(world, "new", 10)
    result = run(world)

    assert (result.outcome, result.counts["renewed"]) == (Outcome.OK, 1)
    [now] = all_credentials(world)
    assert (now.expires_at, now.renewed_at) == (world.clock + 10 * HOUR, world.clock)
    assert run(world).counts["renewed"] == 0


def test_a_proxy_that_is_missing_is_fetched(world: World) -> None:
    world.home.mkdir()
    new = a_proxy(world.home / "new", NOW - HOUR, NOW + 12 * HOUR)
    path = world.home / "proxy"
    renew = script(world, writing(path, new))
    service.add(
        world.runtime(), {"backend": "sim", "kind": PROXY, "path": str(path), "renew": renew}
    )

    assert run(world).counts == {"looked at": 1, "renewed": 1, "not renewed": 0, "unusable": 0}
    assert all_credentials(world)[0].problem is None


FAILING = {
    "exit code": ("import sys; sys.exit('it is said: no')", "exit code 1: it is said: no"),
    "silent": ("import sys; sys.exit(3)", "its command ended with exit code 3"),
    "killed": ("import os; os.kill(os.getpid(), 9)", "its command ended with exit code -9"),
    "does nothing": ("pass", "the credential does not expire later than before"),
    "destroys": ("import os; os.remove({path!r})", "its file is missing"),
    "opens it": ("import os; os.chmod({path!r}, 0o644)", "(mode 644; make it 600)"),
    "tells a secret": (
        "import sys; sys.exit('bad: eyJhbGciOiJub25lIn0.eyJ password=tiger')",
        "exit code 1: bad: *** password=***",
    ),
    "escapes": (r"import sys; sys.exit('\x1b[31mred\a')", "exit code 1: \ufffd[31mred"),
}


@pytest.mark.parametrize(("line", "message"), FAILING.values(), ids=FAILING)
def test_a_renewal_that_fails_says_why_and_is_tried_ever_more_rarely(
    world: World, caplog: pytest.LogCaptureFixture, line: str, message: str
) -> None:
    path = token(world, "t", 10)
    add_credential(world, path, renew=script(world, line.format(path=str(path))))
    world.wait(hours=6)
    result = run(world)

    assert (result.outcome, result.counts["not renewed"]) == (Outcome.FAILED, 1)
    assert "the token of all VOs for sim could not be renewed" in result.lines[0]
    assert message in result.lines[0]
    assert message in caplog.text
    assert "tiger" not in caplog.text
    assert all_credentials(world)[0].failures == 1
    world.wait(59)
    assert run(world).counts["not renewed"] == 0
    world.wait(1)
    assert run(world).counts["not renewed"] == 1
    world.wait(119)
    assert run(world).counts["not renewed"] == 0
    world.wait(1)
    assert run(world).counts["not renewed"] == 1


def test_a_command_that_hangs_is_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renew_credentials, "TIME_LIMIT", 0.2)
    add_credential(world, world.home / "x", renew=script(world, "import time; time.sleep(60)"))
    result = run(world)

    assert "no answer within 0.2 s" in result.lines[0]


def test_a_command_that_is_not_there_is_named(world: World) -> None:
    add_credential(world, world.home / "x", renew=("/no/such",))
    assert "/no/such is not installed on this host" in run(world).lines[0]


def test_a_command_sees_nothing_that_is_ours_and_writes_for_us_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.home.mkdir()
    monkeypatch.setenv("PILOTAGE_DATABASE_URL", "postgresql://u:hush-hush@h/d")
    monkeypatch.setenv("X509_CERT_DIR", "/certificates")
    path = world.home / "seen"
    line = f"import os; open({str(path)!r}, 'w').write(' '.join(sorted(os.environ)))"
    add_credential(world, path, renew=script(world, line))
    run(world)

    assert "PILOTAGE" not in path.read_text()
    assert "X509_CERT_DIR" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_unit_of_work_is_open_and_no_other_renews_while_a_command_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_credential(world, world.home / "x", renew=("renew",))
    states: list[Any] = []

    def fail(*args: Any, **kwargs: Any) -> Any:
        states.append(
            (uow.is_open(), renew_credentials.renew_credentials(world.runtime(holder="two")).busy)
        )
        raise CredentialProblem("enough")

    monkeypatch.setattr(shell, "run", fail)
    run(world)

    assert states == [(False, True)]
    assert renew_credentials.renew_credentials(world.runtime(holder="two")).busy is False


def test_an_error_that_nobody_expected_gives_the_lease_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_credential(world, world.home / "x", renew=("renew",))
    with monkeypatch.context() as patch:
        patch.setattr(shell, "run", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(world)
    assert renew_credentials.renew_credentials(world.runtime(holder="two")).busy is False


def test_what_is_worth_a_warning_is_logged_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    add_credential(world, token(world, "t", 10))
    for _ in range(24):
        world.wait(hours=0.5)
        run(world)

    assert [" ".join(one.message.split()[7:]) for one in caplog.records] == [
        "has used up 50% of its life and expires in 5 h",
        "has used up 80% of its life and expires in 2 h",
        f"expired 0 s ago: {world.home / 't'}",
    ]


def test_one_may_be_renewed_by_hand_at_any_time(world: World) -> None:
    path = token(world, "t", 10)
    add_credential(world, path, renew=script(world, writing(path, world.home / "new")))
    world.wait(60)
    token(world, "new", 10)
    result = renew_credentials.renew_one(world.runtime(by_hand=True), None, "sim", None)

    assert result.lines == ("the token of all VOs for sim was renewed",)
    service.change(world.runtime(), "all", "sim", {"renew": None})
    with refused(Invalid, "it has no command that renews it"):
        renew_credentials.renew_one(world.runtime(), None, "sim", None)


def test_what_was_seen_of_a_file_that_is_meant_no_longer_is_not_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_credential(world, world.home / "x", renew=("renew",))
    other = token(world, "other", 10)

    def change_path(*args: Any, **kwargs: Any) -> Any:
        service.change(world.runtime(), "all", "sim", {"path": str(other)})
        raise CredentialProblem("enough")

    monkeypatch.setattr(shell, "run", change_path)
    run(world)

    assert (all_credentials(world)[0].path, all_credentials(world)[0].problem) == (str(other), None)


# Summaries


def test_credentials_stand_in_the_summary_and_the_overview(world: World) -> None:
    add_credential(world, token(world, "t", 10))
    world.wait(hours=9)
    page = overview.overview(world.runtime())
    with world.database.uow() as tx:
        summary = report.summarise(tx, world.clock)

    assert [(one.state, one.seconds_left) for one in page.credentials] == [(State.SHORT, 3600)]
    assert summary["credentials"] == [
        {"vo": "all", "backend": "sim", "kind": TOKEN, "state": "short", "seconds_left": 3600}
    ]


def test_nothing_of_a_secret_is_stored(world: World) -> None:
    world.home.mkdir()
    add_credential(world, write(world.home / "opaque", "hush-hush"))
    add_credential(world, write(world.home / "broken", "hush-hush hush-hush"), world.vo().name)
    run(world)
    world.make(a_pilot().on(world.ce()).reserved())
    for one in all_credentials(world):
        assert "hush" not in repr(one)


def test_a_long_life_is_seen_whole(world: World) -> None:
    path = token(world, "t", 24 * 365, world.clock - timedelta(days=365))
    add_credential(world, path)
    [one] = service.list_all(world.runtime())
    assert (one.state, one.used) == (State.HALF_USED, 0.5)
