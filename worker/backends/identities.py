"""The identities under which a CE is called: one for all VOs, or each VO's own credential.

A VO whose credential cannot be used, or is not accepted, does not affect the other VOs: a call for
several VOs is made once for each identity, and the problem of one identity is kept separately.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from worker.backends.contract import Means
from worker.domain.ce_answers import Job, Order, Receipt
from worker.domain.credential import CredentialKind
from worker.domain.errors import (
    BackendError,
    CredentialProblem,
    NotSent,
    Refused,
    Unavailable,
    Unreadable,
)
from worker.domain.pilot import Cause

Item = TypeVar("Item", Order, Job)
Answer = TypeVar("Answer")
Value = TypeVar("Value")
Vos = tuple[str, ...]


@dataclass(frozen=True)
class Identity:
    """The file of a credential and the VOs that own it; without a file, one identity for all."""

    vos: Vos | None = None
    path: Path | None = None


class Shares(Generic[Item]):
    """Orders or jobs, shared out to the identities whose VOs own them."""

    def __init__(self, items: Iterable[Item]) -> None:
        by_vo: dict[str, list[Item]] = defaultdict(list)
        for item in items:
            by_vo[item.vo].append(item)
        self._by_vo: dict[str, list[Item]] = dict(by_vo)

    @property
    def vos(self) -> list[str]:
        """The VOs that have at least one of the items."""
        return list(self._by_vo)

    def of(self, identity: Identity) -> list[Item]:
        """Return the items of the VOs of an identity."""
        vos = self._by_vo if identity.vos is None else identity.vos
        return [item for vo in vos for item in self._by_vo.get(vo, ())]


class Answers(Generic[Answer]):
    """The answers by identity, and the problems by VO; the key `None` stands for all VOs."""

    def __init__(self, problems: Mapping[str | None, BackendError]) -> None:
        self.by_identity: dict[Identity, Answer] = {}
        self.problems = dict(problems)

    @contextmanager
    def noting_problems(self, identity: Identity) -> Iterator[None]:
        """Store an error of the block as the problem of the VOs of an identity."""
        try:
            yield
        except BackendError as error:
            self.problems |= dict.fromkeys(identity.vos or (None,), error)

    def or_raise(self) -> list[Answer]:
        """Return the answers; if there are problems and no answer at all, raise the gravest."""
        if self.problems and not self.by_identity:
            raise gravest(self.problems.values())
        return list(self.by_identity.values())

    def vos(self) -> frozenset[str] | None:
        """Return the VOs that got an answer; `None` means all of them."""
        if any(identity.vos is None for identity in self.by_identity):
            return None
        return frozenset(vo for identity in self.by_identity for vo in identity.vos or ())

    def refusals(self, orders: Iterable[Order]) -> list[Receipt]:
        """Return receipts for the orders of VOs for which certainly nothing was sent.

        That is so, for example, for a VO whose credential was not accepted.
        """
        receipts: list[Receipt] = []
        for order in orders:
            problem = self.problems.get(order.vo)
            if isinstance(problem, CredentialProblem | Refused):
                receipts += refused_by([order.stamp], problem)
            elif isinstance(problem, NotSent):
                receipts += not_sent([order.stamp], problem)
        return receipts


def in_one_list(answers: Answers[list[Value]]) -> list[Value]:
    """Return the values of all identities; if no identity got an answer, raise the problem."""
    return [value for values in answers.or_raise() for value in values]


def refused_by(stamps: Iterable[str], error: CredentialProblem | Refused) -> list[Receipt]:
    """Return receipts for orders that were refused because of an error."""
    cause = Cause(error.cause) if isinstance(error, Refused) else Cause.CREDENTIAL
    return refused(stamps, cause, ": ".join(map(str, error.details)))


def refused(stamps: Iterable[str], cause: Cause, reason: str) -> list[Receipt]:
    """Return receipts for orders that were refused."""
    return [Receipt(stamp=stamp, refused=cause, raw=reason, reason=reason) for stamp in stamps]


def not_sent(stamps: Iterable[str], problem: NotSent) -> list[Receipt]:
    """Return receipts for orders that did not reach the CE."""
    return [Receipt(stamp=stamp, not_sent=True, reason=str(problem)) for stamp in stamps]


def gravest(errors: Iterable[BackendError]) -> BackendError:
    """Return the error that stands for all: an error that leaves open what was sent comes first.

    A problem of the CE is graver than a problem of one credential.
    """
    order = (CredentialProblem, Refused, NotSent, BackendError)
    return max(errors, key=lambda error: [isinstance(error, kind) for kind in order].index(True))


@contextmanager
def nothing_sent_yet(ce: str) -> Iterator[None]:
    """Turn an error of the block into `NotSent`: the CE has not received anything yet.

    `Refused` and `CredentialProblem` pass unchanged: they say the same.
    """
    try:
        yield
    except NotSent:
        raise
    except (Unavailable, Unreadable) as error:
        raise NotSent(*error.details) from error
    except OSError as error:
        raise NotSent(ce, str(error)) from error


@dataclass(frozen=True, kw_only=True)
class Identities:
    """The identities that can be used now, and the problems of the other VOs."""

    usable: Sequence[Identity]
    problems: Mapping[str | None, BackendError]

    def ask(self, work: Callable[[Identity], Answer]) -> Answers[Answer]:
        """Call `work` as each usable identity, one after the other."""
        answers = Answers[Answer](self.problems)
        for identity in self.usable:
            with answers.noting_problems(identity):
                answers.by_identity[identity] = work(identity)
        return answers


def identities(
    means: Means,
    kind: CredentialKind | None,
    vos: Iterable[str] | None = None,
    login: Callable[[str], str | None] = lambda vo: None,
) -> Identities:
    """Check the current credentials of these VOs, or of all VOs that have one.

    VOs with the same file and the same login share an identity. Without a kind of credential, all
    VOs share one.
    """
    if kind is None:
        return Identities(usable=[Identity()], problems={})
    credentials = means.credentials(kind)
    shared: dict[tuple[Path, str | None], list[str]] = defaultdict(list)
    problems: dict[str | None, BackendError] = {}
    for vo in credentials if vos is None else dict.fromkeys(vos):
        credential = credentials.get(vo) or CredentialProblem(f"VO {vo} has no {kind} for this CE")
        if isinstance(credential, CredentialProblem):
            problems[vo] = credential
        else:
            shared[Path(credential), login(vo)].append(vo)
    if not shared and not problems:
        problems[None] = CredentialProblem(
            f"no VO has a {kind} for this CE", "see pilotage credential add"
        )
    usable = [Identity(tuple(names), path) for (path, _), names in shared.items()]
    return Identities(usable=usable, problems=problems)
