"""The node of a pilot is short and harmless, whatever a driver returns."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.services.world import Fake
from worker.backends.guard import Guard
from worker.domain.bounds import LONGEST_NAME
from worker.domain.ce_answers import Job, Listing, Observed

STAMP = "a" * 32


class Talkative(Fake):
    """A driver that reports this node for every job."""

    def __init__(self, node: Any) -> None:
        super().__init__()
        self.node = node

    def poll(self, jobs: Sequence[Job]) -> Sequence[Observed]:
        return [Observed(stamp=job.stamp, handle=job.handle, node=self.node) for job in jobs]

    def find(self) -> Listing:
        jobs = self.poll([Job(stamp=STAMP, handle="1")])
        return Listing(jobs=jobs, complete=True, as_of=datetime.now(UTC))


@pytest.mark.parametrize(
    ("node", "short"),
    [
        ("wn7.site.org", "wn7.site.org"),
        ("n[1-4],m7", "n[1-4],m7"),
        ("n\x1b[31m\x00\n\u202ed", "n\ufffd[31m\ufffd \ufffdd"),
        ("x" * 5000, "x" * LONGEST_NAME),
        (" \n", None),
        ("", None),
        (7, None),
        (["wn7"], None),
        (None, None),
    ],
)
def test_a_node_is_short_and_harmless(node: Any, short: str | None) -> None:
    guard = Guard(Talkative(node))

    assert [one.node for one in guard.poll([Job(stamp=STAMP, handle="1")])] == [short]
    assert [one.node for one in guard.find().jobs] == [short]
