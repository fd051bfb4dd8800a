#!/bin/sh
# One worker of an HTCondor pool: a startd as an ordinary user, in a folder of its own. It leaves
# when it had no job for a while.
#
# When the worker is to end, it gets SIGTERM: it takes no new job then, and ends with the job that it
# has. A job that is not done shortly before the end goes back into the queue.
setup=$1 pool=$2 token=$3 cores=$4 memory=$5 idle=$6 grace=$7 owners=${8:-$(id -un)}
asked=
trap asked=yes TERM
trap 'exit 78' EXIT # in some shells a '.' that fails ends the script at once
eval "$setup" || exit 78
trap - EXIT
startd=$(command -v condor_startd) || { echo "no condor_startd after: $setup"; exit 78; }
release=$(dirname "$(dirname "$startd")")
libexec=$release/libexec
[ ! -d "$libexec/condor" ] || libexec=$libexec/condor
case $token in /*) ;; *) token=$HOME/$token ;; esac

umask 077
folder=$(mktemp -d "${TMPDIR:-/tmp}/worker.XXXXXXXX") || exit 71
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/log" "$folder/execute" "$folder/spool" "$folder/tokens" || exit 71
if ! cp "$token" "$folder/tokens/pool" 2>/dev/null; then
  echo "$(hostname) has no file $token that $(id -un) can read: put the token of the workers there"
  exit 78
fi
CONDOR_CONFIG=$folder/config
export CONDOR_CONFIG
cat >"$CONDOR_CONFIG" <<END
COLLECTOR_HOST = $pool
RELEASE_DIR = $release
LIBEXEC = $libexec
LOCAL_DIR = $folder
STARTD_NAME = $PILOTAGE_STAMP
Cluster = "$PILOTAGE_CE"
STARTD_ATTRS = \$(STARTD_ATTRS) Cluster

# It opens all connections itself, shows its token, and is no part of an HTCondor of this machine.
USE_SHARED_PORT = False
CCB_ADDRESS = \$(COLLECTOR_HOST)
PRIVATE_NETWORK_NAME = $PILOTAGE_STAMP
SEC_DEFAULT_AUTHENTICATION_METHODS = IDTOKENS
SEC_TOKEN_DIRECTORY = \$(LOCAL_DIR)/tokens
SEC_USE_FAMILY_SESSION = False

NUM_CPUS = $cores
MEMORY = $memory
NUM_SLOTS_TYPE_1 = 1
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = True
# A job runs as the account of this worker: only of those who may.
START = stringListMember(TARGET.Owner, "$owners")
PREEMPT = False
RUNBENCHMARKS = False
JAVA =

# When it has no claim for so long, it signals to its parent, which is this script, and that asks it
# to end. It looks each time that it says how it is.
STARTD_NOCLAIM_SHUTDOWN = $idle
UPDATE_INTERVAL = $((idle < 20 ? 5 : idle < 1200 ? idle / 4 : 300))
STARTD_HISTORY = \$(LOG)/jobs
MAXJOBRETIREMENTTIME = 2000000000
SHUTDOWN_GRACEFUL_TIMEOUT = $((grace - 10 - grace / 10))
END

# Whether the pool can be reached, and lets this worker in.
if ! condor_ping -type collector -table ADVERTISE_STARTD; then
  echo "the pool $pool lets no worker in: can it be reached from $(hostname), and is $token good?"
  exit 69
fi
"$startd" -f &
pid=$!
trap 'kill -TERM "$pid" 2>/dev/null' TERM
[ -z "$asked" ] || kill -TERM "$pid"
while :; do
  wait "$pid"
  code=$?
  kill -0 "$pid" 2>/dev/null || break
done
[ "$code" -eq 0 ] || { tail -n 20 "$folder/log/StartLog"; exit "$code"; }
[ -s "$folder/log/jobs" ] || { echo "it had no job"; exit 77; }
