"""Who speaks to a cluster: one account for all VOs, or each VO with a key of its own.

A VO whose key cannot be used, or is not accepted, harms no other: whatever is done for several
VOs is done for each, and what cannot be done for one is told apart.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from worker.backends.slurm.client import Client
from worker.backends.slurm.options import SlurmOptions
from worker.backends.slurm.reach import Here, Login, Reach
from worker.backends.slurm.words import Names
from worker.domain.credential import CredentialKind
from worker.domain.errors import BackendError, CredentialProblem

Answer = TypeVar("Answer")
Credentials = Callable[[CredentialKind], Mapping[str, Path | CredentialProblem]]


@dataclass(frozen=True, kw_only=True)
class Answers(Generic[Answer]):
    """What was answered for each VO, or for all of them (`None`), and what stood in the way."""

    given: Mapping[str | None, Answer]
    problems: Mapping[str | None, BackendError]

    def or_raise(self) -> Mapping[str | None, Answer]:
        """Return the answers; if there are none at all, raise what stood in the way."""
        if self.problems and not self.given:
            raise next(iter(self.problems.values()))
        return self.given


class Accounts:
    """The accounts of one CE, for as long as one call may take."""

    def __init__(self, options: SlurmOptions, names: Names, credentials: Credentials) -> None:
        self._options = options
        self._names = names
        self._credentials = credentials
        self._until = Client.end_of_call(options)

    def ask(
        self, work: Callable[[Client, str | None], Answer], vos: Iterable[str] | None = None
    ) -> Answers[Answer]:
        """Do something for each of these VOs, or for all that have a key."""
        given: dict[str | None, Answer] = {}
        problems: dict[str | None, BackendError] = {}
        for vo, reach in self._reaches(vos).items():
            try:
                if isinstance(reach, CredentialProblem):
                    raise reach
                given[vo] = work(Client(reach, self._options, self._names, self._until), vo)
            except BackendError as problem:
                problems[vo] = problem
        return Answers(given=given, problems=problems)

    def _reaches(self, vos: Iterable[str] | None) -> Mapping[str | None, Reach | CredentialProblem]:
        options = self._options
        if options.ssh is None:
            return {None: Here(options)}
        if not options.vo_keys:
            return {None: Login(options)}
        keys = self._credentials(CredentialKind.KEY)
        wanted = sorted(keys if vos is None else set(vos))
        if not wanted:
            return {None: CredentialProblem("no VO has a key", "see pilotage credential add")}
        return {vo: self._login(vo, keys.get(vo)) for vo in wanted}

    def _login(self, vo: str, key: Path | CredentialProblem | None) -> Reach | CredentialProblem:
        if key is None:
            return CredentialProblem(f"VO {vo}", "it has no key")
        if isinstance(key, CredentialProblem):
            return key
        return Login(self._options, str(key), self._options.ssh_users.get(vo))
