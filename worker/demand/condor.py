"""The demand as the idle jobs of an HTCondor: those that wait for a slot.

Where pilots are wanted altogether, those that have a job are counted, too. A pilot that has none,
be it on its way into the pool or between two jobs, then stands for one of the idle jobs.
"""

import re
from pathlib import Path

from worker.backends.htcondor.client import clients
from worker.backends.htcondor.options import Daemon, HTCondorAuthentication, HTCondorOptions, Line
from worker.backends.htcondor.options import Place as Folder
from worker.backends.identities import Identity
from worker.demand.contract import Source, SourceOptions
from worker.domain.demand import DemandCounts
from worker.domain.errors import BackendError, DemandUnknown

IDLE = "JobStatus == 1"
ON_A_PILOT = 'regexp("@[0-9a-f]{32}@", RemoteHost)'
_STAMP = re.compile(r"@([0-9a-f]{32})@")
"""A pilot brings a machine whose name is its stamp: `slot1_1@STAMP@HOST`."""


class CondorOptions(SourceOptions):
    """A schedd, asked by condor_q; each worker host that may ask needs it."""

    constraint: Line = "true"
    """Which of its jobs count, as a ClassAd expression; '{vo}' becomes the VO's name."""

    schedd: Daemon | None = None
    """The name of the schedd; left out, the one of this host."""

    pool: Daemon | None = None
    """The collector that knows the schedd."""

    authentication: HTCondorAuthentication = HTCondorAuthentication.NONE
    """How the schedd is told who asks: none, idtokens, scitokens or ssl."""

    credential_file: Path | None = None
    """The file of the token or proxy that is shown to it."""

    config: Folder | None = None
    """The configuration file of HTCondor's client; left out, the one of this host."""

    programs: Folder | None = None
    """The folder of HTCondor's client; left out, its programs are on the path."""

    def objection(self) -> str | None:
        """Return why it is not asked so."""
        needs = self.authentication is not HTCondorAuthentication.NONE
        if needs == (self.credential_file is not None):
            return None
        return (
            f"authentication={self.authentication} needs a credential_file"
            if needs
            else "a credential_file needs an authentication"
        )


def ask(vo: str, options: CondorOptions) -> int:
    """Count the idle jobs, and the pilots that have a job where those are to be counted."""
    where = HTCondorOptions(
        schedd=options.schedd,
        pool=options.pool,
        authentication=options.authentication,
        config=options.config,
        programs=options.programs,
        call_timeout=options.timeout,
    )
    chosen = f"({options.constraint.replace('{vo}', vo)})"
    in_all = options.counts in (DemandCounts.TOTAL, DemandCounts.JOBS)
    try:
        with clients(where) as client_of:
            client = client_of(Identity(path=options.credential_file))
            # In this order a job that begins meanwhile is missed once, and never counted twice.
            at_work = client.machines(f"{chosen} && {ON_A_PILOT}") if in_all else []
            stamps = set(_STAMP.findall("\n".join(at_work)))
            return len(stamps) + client.count(f"{chosen} && {IDLE}")
    except BackendError as error:
        raise DemandUnknown(*error.details) from error


CONDOR = Source(
    name="condor",
    about="The idle jobs of an HTCondor; with counts=total, also the pilots that run a job.",
    options=CondorOptions,
    ask=ask,
)
