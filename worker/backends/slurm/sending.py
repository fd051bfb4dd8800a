"""How batches are sent, and what their orders are answered."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from worker.backends.identities import refused
from worker.backends.slurm.batches import Batch
from worker.backends.slurm.client import Client
from worker.backends.slurm.options import SlurmOptions
from worker.backends.slurm.words import Names
from worker.domain.ce_answers import Receipt
from worker.domain.errors import BackendError, Refused, Unreadable
from worker.domain.pilot import Cause

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Desk:
    """Where batches are handed in."""

    client: Client
    ce: str
    names: Names
    options: SlurmOptions

    def send(self, parts: Iterable[Batch]) -> list[Receipt]:
        """Submit batches. What is not answered is in doubt; who is away is asked no more."""
        receipts: list[Receipt] = []
        first: BackendError | None = None
        for batch in parts:
            try:
                for some in self._send(batch):
                    receipts += some
            except BackendError as error:
                log.warning("%s: %d pilots in doubt: %s", self.ce, len(batch.pilots), error)
                first = first or error
                if not isinstance(error, Unreadable):
                    break
        if first is not None and not receipts:
            raise first
        return receipts

    def _send(self, batch: Batch) -> Iterator[list[Receipt]]:
        """Submit a batch; of one that is beyond our quota, as much as there is room for."""
        if batch.what.problem is not None:
            yield refused(batch.stamps(), Cause.REFUSED, batch.what.problem)
            return
        at, size = 0, len(batch.pilots)
        while at < len(batch.pilots):
            try:
                yield self._send_whole(batch.part(at, at + size))
            except Refused as no:
                if no.cause != Cause.QUOTA or size == 1:
                    cause, told = Cause(no.cause), ": ".join(map(str, no.details))
                    yield refused(batch.stamps()[at:], cause, told)
                    return
            else:
                at += size
            size = max(1, size // 2)

    def _send_whole(self, batch: Batch) -> list[Receipt]:
        job = self.client.submit(
            batch.words(self.ce, self.names, self.options),
            batch.script(self.ce, self.names, self.options),
        )
        return batch.receipts(job)
