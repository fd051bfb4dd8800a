"""A bad value of one pilot does not harm the others: the guard bounds it for every back-end."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from tests.services.world import Fake
from worker.backends.guard import Guard
from worker.domain.ce_answers import Job, Listing, Observed, Order, Receipt
from worker.domain.pilot import Cause, Status

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
JOBS = [Job(stamp=f"{number:032x}", handle=str(number)) for number in range(3)]
HONEST = {"status": Status.RUNNING, "raw": "R", "started_at": NOW}


class Liar(Fake):
    """A driver that tells the truth about all pilots but one."""

    def __init__(self, lie: dict[str, Any]) -> None:
        super().__init__()
        self.lie = lie

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        return [
            Observed(**{"stamp": job.stamp, "handle": job.handle, **HONEST, **self._of(job)})
            for job in jobs
        ]

    def find(self) -> Listing:
        return Listing(jobs=self.poll(JOBS), complete=True, as_of=NOW)

    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        return [
            Receipt(**{"stamp": order.stamp, "handle": "1", **self._of(order)}) for order in orders
        ]

    def _of(self, one: Job | Order) -> dict[str, Any]:
        return self.lie if one.stamp == JOBS[1].stamp else {}


def answers_of(lie: dict[str, Any]) -> list[Observed]:
    guard = Guard(Liar(lie), lambda: NOW)
    [honest, lie_answer, also_honest] = guard.poll(JOBS)
    assert [*guard.find().jobs] == [honest, lie_answer, also_honest]
    for job, one in ((JOBS[0], honest), (JOBS[2], also_honest)):
        assert one == Observed(stamp=job.stamp, handle=job.handle, **HONEST)  # type: ignore[arg-type]
    return [honest, lie_answer, also_honest]


@pytest.mark.finding("H1")
@pytest.mark.parametrize(
    "code",
    [2**31, -(2**31) - 1, 99999999999, 10**5000, True, "1", 1.5],
    ids=["large", "small", "huge", "5000 digits", "bool", "text", "float"],
)
def test_an_exit_code_that_cannot_be_stored_is_left_out(code: Any) -> None:
    failure = {"status": Status.FAILED, "cause": Cause.EXIT_CODE, "reason": "it failed"}
    observation = answers_of({**failure, "exit_code": code})[1]

    assert observation.exit_code is None
    assert (observation.status, observation.cause) == (Status.FAILED, Cause.EXIT_CODE)
    assert observation.reason == (
        "it failed; left out because it cannot be true: an exit code that is not a 32-bit number"
    )


@pytest.mark.parametrize("code", [0, 1, 2**31 - 1, -(2**31), None])
def test_an_exit_code_that_can_be_stored_is_kept(code: int | None) -> None:
    observation = answers_of({"exit_code": code})[1]

    assert (observation.exit_code, observation.reason) == (code, None)


FAR = timezone(timedelta(hours=-12))


@pytest.mark.finding("H1")
@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 5, 1, 12),  # noqa: DTZ001 - that is the lie
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=FAR),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        NOW + timedelta(days=1, seconds=1),
        "2026-05-01T12:00:00Z",
        0,
    ],
)
@pytest.mark.parametrize("which", ["started_at", "ended_at"])
def test_a_moment_that_cannot_be_true_is_left_out(which: str, moment: Any) -> None:
    observation = answers_of({"status": Status.DONE, which: moment})[1]

    assert getattr(observation, which) is None
    assert observation.status is Status.DONE
    assert "without a time zone, before 1970 or in the future" in str(observation.reason)


@pytest.mark.parametrize(
    "moment", [NOW, NOW + timedelta(hours=23), datetime(1970, 1, 1, 12, tzinfo=UTC)]
)
def test_a_moment_that_may_be_true_is_kept(moment: datetime) -> None:
    observation = answers_of({"started_at": moment, "ended_at": moment})[1]

    assert (observation.started_at, observation.ended_at, observation.reason) == (
        moment,
        moment,
        None,
    )


@pytest.mark.parametrize("which", ["raw", "reason", "vo", "ce", "node"])
@pytest.mark.parametrize(
    "text",
    ["x" * 10**7, "\0\udcff\ud800", "\0", "7" * 5000, 7, ["x"]],
    ids=["10 MB", "surrogates", "NUL", "5000 digits", "number", "list"],
)
def test_a_text_is_short_and_can_be_stored(which: str, text: Any) -> None:
    observation = getattr(answers_of({which: text})[1], which)

    assert observation is None or (isinstance(observation, str) and len(observation) <= 4000)
    assert "\0" not in (observation or "")
    (observation or "").encode()


@pytest.mark.parametrize(
    "lie",
    [
        {"handle": "9" * 5000},
        {"handle": "\0"},
        {"handle": "\udcff"},
        {"handle": "ü" * 1000},
        {"handle": None},
        {"handle": 7},
        {"status": Status.LOST},
        {"status": "done"},
        {"status": ["done"]},
        {"status": Status.FAILED, "cause": "bad luck"},
    ],
)
def test_what_cannot_be_kept_is_an_unreadable_answer_about_that_pilot(lie: dict[str, Any]) -> None:
    observation = answers_of(lie)[1]

    assert (observation.status, observation.absent, observation.raw) == (None, False, "unreadable")
    assert str(observation.reason).startswith("the answer about it cannot be read: ")
    assert len(observation.handle.encode()) <= 1024


@pytest.mark.parametrize("lie", [{"handle": "9" * 5000}, {"handle": "\0"}, {"handle": 7}])
def test_a_receipt_whose_handle_cannot_be_kept_says_nothing(lie: dict[str, Any]) -> None:
    orders = [Order(stamp=job.stamp, vo="lhcb") for job in JOBS]
    receipts = Guard(Liar(lie), lambda: NOW).submit(orders)

    assert [receipt.handle for receipt in receipts] == ["1", None, "1"]
    assert [receipt.refused for receipt in receipts] == [None, None, None]


def test_a_stamp_that_is_no_text_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    guard = Guard(Liar({"stamp": 7}), lambda: NOW)

    assert [one.stamp for one in guard.poll(JOBS)] == [JOBS[0].stamp, JOBS[2].stamp]
    assert [one.stamp for one in guard.find().jobs] == [JOBS[0].stamp, JOBS[2].stamp]
