"""Sending pilots: what is alike is one submission, whatever its number."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from worker.backends.htcondor.client import Client
from worker.backends.htcondor.description import Alike, alike, description, problem, program
from worker.backends.htcondor.options import HTCondorOptions
from worker.backends.htcondor.place import Place
from worker.backends.identities import refused
from worker.domain.ce_answers import Order, Receipt
from worker.domain.errors import BackendError, CredentialProblem, Refused, Unreadable
from worker.domain.pilot import Cause


@dataclass(kw_only=True)
class Sending:
    """One call: the receipts so far, and what went wrong."""

    ce: str
    options: HTCondorOptions
    place: Place
    names: dict[str, str]
    receipts: list[Receipt] = field(default_factory=list)
    errors: list[BackendError] = field(default_factory=list)
    sent: bool = False

    def send(self, orders: Sequence[Order], client: Client) -> list[Receipt]:
        """Send orders; the receipts, or the error if it is the same for all."""
        batches: dict[Alike, list[str]] = {}
        for order in orders:
            batches.setdefault(alike(order), []).append(order.stamp)
        self.place.prepare(order.stamp for order in orders)
        for what, stamps in batches.items():
            if not self._send_batch(what, stamps, client):
                break
        return self._answer()

    def _send_batch(self, what: Alike, stamps: Sequence[str], client: Client) -> bool:
        """Send what is alike; return whether it makes sense to go on."""
        wrong = problem(what)
        if wrong is not None:
            self.receipts += refused(stamps, Cause.REFUSED, wrong)
            return True
        try:
            handles = self._submit(what, stamps, client)
        except (CredentialProblem, Refused) as error:
            self.errors.append(error)
            cause = Cause(error.cause) if isinstance(error, Refused) else Cause.CREDENTIAL
            self.receipts += refused(stamps, cause, ": ".join(map(str, error.details)))
        except BackendError as error:
            # Nobody knows what became of these, and the next would fare no better.
            self.errors.append(error)
            return False
        else:
            self.sent = True
            self.receipts += [
                Receipt(stamp=stamp, handle=handle, raw="accepted")
                for stamp, handle in zip(stamps, handles, strict=False)
            ]
        return True

    def _submit(self, what: Alike, stamps: Sequence[str], client: Client) -> list[str]:
        with self.place.program(program(what, self.ce, self.options)) as executable:
            handles = client.submit(
                description(
                    stamps,
                    what.vo,
                    names=self.names,
                    options=self.options,
                    executable=executable,
                    folder=self.place.folder,
                )
            )
        if len(handles) > len(stamps):
            raise Unreadable(str(handles)[:2000], "condor_submit", "it names more jobs than sent")
        return handles

    def _answer(self) -> list[Receipt]:
        """Give the receipts; where every batch met the same error, raise it: it is the CE's."""
        kinds = {(type(error), getattr(error, "cause", None)) for error in self.errors}
        if self.errors and not self.sent and len(kinds) == 1:
            raise self.errors[0]
        return self.receipts
