"""The meaning of HTCondor's job states and hold codes.

`JobStatus` is the state of a job, `HoldReasonCode` the reason why it was put on hold. The names are
HTCondor's own; the two tables have every code of its manual.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from worker.domain.pilot import Cause, Status

IDLE, RUNNING, REMOVED, COMPLETED, HELD, TRANSFERRING_OUTPUT, SUSPENDED = range(1, 8)

WORDS: Mapping[int, str] = MappingProxyType(
    {
        IDLE: "Idle",
        RUNNING: "Running",
        REMOVED: "Removed",
        COMPLETED: "Completed",
        HELD: "Held",
        TRANSFERRING_OUTPUT: "TransferringOutput",
        SUSPENDED: "Suspended",
    }
)

ALIVE: Mapping[int, Status] = MappingProxyType(
    {
        IDLE: Status.SUBMITTED,
        HELD: Status.SUBMITTED,
        RUNNING: Status.RUNNING,
        TRANSFERRING_OUTPUT: Status.RUNNING,
        SUSPENDED: Status.RUNNING,  # a suspended job keeps its slot
    }
)
"""The states of living jobs. In the other two, removed and completed, a job is over."""


@dataclass(frozen=True, kw_only=True)
class Hold:
    """The reason of a hold. `waits`: the job may be released; otherwise it is given up at once."""

    word: str
    waits: bool = False
    cause: Cause = Cause.HELD


HOLDS: Mapping[int, Hold] = MappingProxyType(
    {
        0: Hold(word="Unspecified", waits=True),
        1: Hold(word="UserRequest", waits=True),
        2: Hold(word="GlobusGramError"),
        3: Hold(word="JobPolicy"),
        4: Hold(word="CorruptedCredential", cause=Cause.CREDENTIAL),
        5: Hold(word="JobPolicyUndefined"),
        6: Hold(word="FailedToCreateProcess", cause=Cause.NEVER_STARTED),
        7: Hold(word="UnableToOpenOutput"),
        8: Hold(word="UnableToOpenInput"),
        9: Hold(word="UnableToOpenOutputStream"),
        10: Hold(word="UnableToOpenInputStream"),
        11: Hold(word="InvalidTransferAck", waits=True),
        12: Hold(word="TransferOutputError", waits=True),
        13: Hold(word="TransferInputError", waits=True),
        14: Hold(word="IwdError"),
        15: Hold(word="SubmittedOnHold", waits=True),
        16: Hold(word="SpoolingInput", waits=True),
        17: Hold(word="JobShadowMismatch"),
        18: Hold(word="InvalidTransferGoAhead", waits=True),
        19: Hold(word="HookPrepareJobFailure"),
        20: Hold(word="MissedDeferredExecutionTime"),
        21: Hold(word="StartdHeldJob"),
        22: Hold(word="UnableToInitUserLog"),
        23: Hold(word="FailedToAccessUserAccount"),
        24: Hold(word="NoCompatibleShadow"),
        25: Hold(word="InvalidCronSettings"),
        26: Hold(word="SystemPolicy"),
        27: Hold(word="SystemPolicyUndefined"),
        28: Hold(word="GlexecChownSandboxToUser"),
        29: Hold(word="PrivsepChownSandboxToUser"),
        30: Hold(word="GlexecChownSandboxToCondor"),
        31: Hold(word="PrivsepChownSandboxToCondor"),
        32: Hold(word="MaxTransferInputSizeExceeded"),
        33: Hold(word="MaxTransferOutputSizeExceeded"),
        34: Hold(word="JobOutOfResources", cause=Cause.OUT_OF_MEMORY),
        35: Hold(word="InvalidDockerImage"),
        36: Hold(word="FailedToCheckpoint"),
        37: Hold(word="EC2UserError"),
        38: Hold(word="EC2InternalError"),
        39: Hold(word="EC2AdminError"),
        40: Hold(word="EC2ConnectionProblem", waits=True),
        41: Hold(word="EC2ServerError", waits=True),
        42: Hold(word="EC2InstancePotentiallyLostError"),
        43: Hold(word="PreScriptFailed"),
        44: Hold(word="PostScriptFailed"),
        45: Hold(word="SingularityTestFailed"),
        46: Hold(word="JobDurationExceeded", cause=Cause.WALLTIME),
        47: Hold(word="JobExecuteExceeded", cause=Cause.WALLTIME),
        48: Hold(word="HookShadowPrepareJobFailure"),
    }
)

POLICY_OF_MEMORY = 102
"""The hold subcode of HTCondor's ready-made policies on the execution side, when memory ran out."""
STARTD_HELD_JOB = 21

HOPELESS = tuple(sorted(code for code, hold in HOLDS.items() if not hold.waits))
"""The codes of holds that will not be released."""


def hold_of(code: int | None, subcode: int | None) -> Hold:
    """Return the meaning of a hold; a job with an unknown code waits, as it may be released."""
    if code is None or code not in HOLDS:
        return Hold(word=f"code {code}", waits=True)
    if code == STARTD_HELD_JOB and subcode == POLICY_OF_MEMORY:
        return Hold(word=HOLDS[code].word, cause=Cause.OUT_OF_MEMORY)
    return HOLDS[code]
