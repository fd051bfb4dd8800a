"""The demand as the number of idle jobs of an HTCondor: jobs that wait for a slot.

If the option `counts` means pilots altogether, pilots that have a job are counted, too. A pilot
without a job, which is on its way into the pool or between two jobs, then counts for one of the
idle jobs.
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
"""A pilot joins the pool as a machine whose name holds its stamp: `slot1_1@STAMP@HOST`."""


class CondorOptions(SourceOptions):
    """A schedd that is asked by condor_q, which must be on every worker host that may ask."""

    constraint: Line = "true"
    """Which jobs of the schedd count, as a ClassAd expression; '{vo}' becomes the VO's name."""

    schedd: Daemon | None = None
    """The name of the schedd; left out, the one of this host."""

    pool: Daemon | None = None
    """The collector that knows the schedd."""

    authentication: HTCondorAuthentication = HTCondorAuthentication.NONE
    """How Pilotage authenticates to the schedd: none, idtokens, scitokens or ssl."""

    credential_file: Path | None = None
    """The file of the token or proxy for the authentication."""

    config: Folder | None = None
    """The configuration file of HTCondor's client; left out, the one of this host."""

    programs: Folder | None = None
    """The folder of HTCondor's client; left out, its programs are on the path."""

    def objection(self) -> str | None:
        """Return why the schedd is not asked with these options, or `None`."""
        needs = self.authentication is not HTCondorAuthentication.NONE
        if needs == (self.credential_file is not None):
            return None
        return (
            f"authentication={self.authentication} needs a credential_file"
            if needs
            else "a credential_file needs an authentication"
        )


def ask(vo: str, options: CondorOptions) -> int:
    """Count the idle jobs, and with `counts` total or jobs also the pilots that have a job."""
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
            # In this order a job that begins between the two queries may be missed once, but is
            # never counted twice.
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
