"""Who asks the schedd: all VOs as one, or each with its own credential."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from worker.backends.contract import Means
from worker.backends.htcondor.options import Authentication, HTCondorOptions
from worker.domain.errors import CredentialProblem


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The environment that shows a credential, and the VOs whose it is; `None` is all."""

    vos: frozenset[str] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def acts_for(self, vo: str) -> bool:
        """Tell whether it may speak for a VO."""
        return self.vos is None or vo in self.vos


@dataclass(frozen=True, kw_only=True)
class Identities:
    """Those that can be used now, and what is wrong with the others."""

    usable: tuple[Identity, ...]
    problems: Mapping[str, CredentialProblem] = field(default_factory=dict)

    @property
    def vos(self) -> frozenset[str] | None:
        """Name the VOs that somebody may speak for."""
        known = [identity.vos for identity in self.usable if identity.vos is not None]
        return frozenset().union(*known) if len(known) == len(self.usable) else None

    def of(self, vo: str) -> Identity | None:
        """Find who may speak for a VO."""
        return next((one for one in self.usable if one.acts_for(vo)), None)

    def problem(self, vo: str) -> CredentialProblem:
        """Tell why nobody may speak for a VO."""
        return self.problems.get(vo) or CredentialProblem(f"VO {vo}", "it has no credential")


@contextmanager
def identities(options: HTCondorOptions, means: Means) -> Iterator[Identities]:
    """Look at the credentials as they are now; `CredentialProblem` if none can be used."""
    kind = options.credential
    if kind is None:
        yield Identities(usable=(Identity(),))
        return
    found = means.credentials(kind)
    problems = {vo: one for vo, one in found.items() if isinstance(one, CredentialProblem)}
    vos: dict[Path, set[str]] = {}
    for vo, one in found.items():
        if isinstance(one, Path):
            vos.setdefault(one, set()).add(vo)
    if not vos:
        raise next(iter(problems.values()), CredentialProblem(f"no VO has a {kind} for this CE"))
    folder = Path(tempfile.mkdtemp(prefix="pilotage-tokens-"))
    try:
        usable = [
            Identity(vos=frozenset(names), environment=_shown(options, path, folder / str(number)))
            for number, (path, names) in enumerate(vos.items())
        ]
        yield Identities(usable=tuple(usable), problems=problems)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _shown(options: HTCondorOptions, path: Path, folder: Path) -> dict[str, str]:
    """Write the environment in which HTCondor's client shows this credential and no other."""
    methods = {"_CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS": options.authentication.upper()}
    if options.authentication is Authentication.SCITOKENS:
        return {**methods, "_CONDOR_SCITOKENS_FILE": str(path), "BEARER_TOKEN_FILE": str(path)}
    if options.authentication is Authentication.SSL:
        return {
            **methods,
            "X509_USER_PROXY": str(path),
            "_CONDOR_AUTH_SSL_CLIENT_CERTFILE": str(path),
            "_CONDOR_AUTH_SSL_CLIENT_KEYFILE": str(path),
        }
    # It shows any token of a folder, so the folder has this one alone.
    folder.mkdir(mode=0o700)
    (folder / "token").symlink_to(path.absolute())
    return {
        **methods,
        "_CONDOR_SEC_TOKEN_DIRECTORY": str(folder),
        "_CONDOR_SEC_TOKEN_SYSTEM_DIRECTORY": str(folder),
    }
