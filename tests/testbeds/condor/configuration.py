"""The configuration of the daemons and the clients of a private HTCondor."""

from dataclasses import dataclass
from pathlib import Path

DOMAIN = "testbed"
SCHEDD = f"schedd@{DOMAIN}"
WORKERS = "workers"
"""The user who may bring slots from other hosts."""
QUOTA = 1500
"""The highest number of jobs in one submission."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A pool in a folder, behind one port of the loopback."""

    folder: Path
    port: int
    slots: int = 64
    """The number of its own slots. Without any the pool waits for workers from other hosts."""

    def daemons(self) -> str:
        """Return the configuration of the daemons."""
        return f"{self._common()}{self._places()}{_SECURITY}{self._slots()}{_QUICK}"

    def client(self, tokens: Path) -> str:
        """Return the configuration of a client that names the schedd and shows a token."""
        return (
            f"{self._common()}LOCAL_DIR = /nonexistent\n"
            "SEC_CLIENT_AUTHENTICATION_METHODS = IDTOKENS\n"
            f"SEC_TOKEN_DIRECTORY = {tokens}\n"
            "SEC_TOKEN_SYSTEM_DIRECTORY = /nonexistent\n"
            f"AUTH_SSL_CLIENT_CAFILE = {self.folder}/credentials/ca.pem\n"
        )

    def _common(self) -> str:
        return f"""
CONDOR_HOST = 127.0.0.1
COLLECTOR_HOST = 127.0.0.1:{self.port}
NETWORK_INTERFACE = 127.0.0.1
ENABLE_IPV6 = False
USE_SHARED_PORT = True
CONDOR_IDS = 0.0
UID_DOMAIN = {DOMAIN}
TRUST_DOMAIN = {DOMAIN}
RELEASE_DIR = /usr
"""

    def _places(self) -> str:
        folder = self.folder
        return f"""
LOCAL_DIR = {folder}
LOG = {folder}/log
SPOOL = {folder}/spool
EXECUTE = {folder}/execute
RUN = {folder}/run
LOCK = {folder}/run
LIBEXEC = /usr/libexec/condor
LIB = /usr/lib/condor
SBIN = /usr/sbin
BIN = /usr/bin
PROCD_ADDRESS = {folder}/run/procd
SHARED_PORT_PORT = {self.port}
DAEMON_SOCKET_DIR = {folder}/run/sockets
SEC_PASSWORD_DIRECTORY = {folder}/passwords
SEC_TOKEN_POOL_SIGNING_KEY_FILE = {folder}/passwords/POOL
SEC_TOKEN_SYSTEM_DIRECTORY = {folder}/none
AUTH_SSL_SERVER_CAFILE = {folder}/credentials/ca.pem
AUTH_SSL_SERVER_CERTFILE = {folder}/credentials/host.pem
AUTH_SSL_SERVER_KEYFILE = {folder}/credentials/host.key
CERTIFICATE_MAPFILE = {folder}/credentials/map
SEC_SCITOKENS_CACHE = {folder}/credentials/cache
BIND_ALL_INTERFACES = False
FULL_HOSTNAME = localhost
SCHEDD_NAME = {SCHEDD}
DAEMON_LIST = {" ".join(self._services())}
MAIL = /bin/true
"""

    def _services(self) -> list[str]:
        own = ["STARTD"] if self.slots else []
        return ["MASTER", "COLLECTOR", "NEGOTIATOR", "SCHEDD", *own]

    def _slots(self) -> str:
        if not self.slots:
            return ""
        return f"""
NUM_CPUS = {self.slots}
MEMORY = {self.slots * 128}
NUM_SLOTS_TYPE_1 = 1
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = True
"""


_SECURITY = f"""
SEC_DEFAULT_AUTHENTICATION = REQUIRED
SEC_READ_AUTHENTICATION = OPTIONAL
SEC_CLIENT_AUTHENTICATION = OPTIONAL
SEC_DEFAULT_AUTHENTICATION_METHODS = FS, IDTOKENS, SSL, SCITOKENS
AUTH_SSL_ALLOW_CLIENT_PROXY = True
SCITOKENS_SERVER_AUDIENCE = ANY
ALLOW_READ = *
ALLOW_WRITE = *@testbed, execute-side@matchsession
ALLOW_ADMINISTRATOR = root@testbed
ALLOW_DAEMON = root@testbed
ALLOW_ADVERTISE_STARTD = $(ALLOW_DAEMON), {WORKERS}@testbed
ALLOW_NEGOTIATOR = root@testbed
TRUST_UID_DOMAIN = True
SOFT_UID_DOMAIN = True
FILESYSTEM_DOMAIN = testbed
"""

# As quick as possible: a test waits for each of these times.
_QUICK = f"""
START = True
SUSPEND = False
KILL = False
RANK = 0
JOB_DEFAULT_REQUESTMEMORY = 64
JOB_DEFAULT_REQUESTDISK = 10240
MAX_JOBS_PER_SUBMISSION = {QUOTA}
NEGOTIATOR_INTERVAL = 1
NEGOTIATOR_MIN_INTERVAL = 1
NEGOTIATOR_CYCLE_DELAY = 1
NEGOTIATOR_UPDATE_INTERVAL = 5
SCHEDD_INTERVAL = 2
SCHEDD_MIN_INTERVAL = 1
PERIODIC_EXPR_INTERVAL = 2
PERIODIC_EXPR_TIMESLICE = 0.5
UPDATE_INTERVAL = 5
POLLING_INTERVAL = 1
STARTER_UPDATE_INTERVAL = 2
STARTER_INITIAL_UPDATE_INTERVAL = 1
SHADOW_QUEUE_UPDATE_INTERVAL = 2
JOB_START_DELAY = 0
JOB_START_COUNT = 100
SCHEDD_QUERY_WORKERS = 4
RUNBENCHMARKS = False
# No control groups and no mounts of its own: the tree is no whole system.
BASE_CGROUP =
MOUNT_UNDER_SCRATCH =
USE_PID_NAMESPACES = False
use POLICY : HOLD_IF_MEMORY_EXCEEDED
"""
