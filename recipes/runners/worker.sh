#!/bin/sh
# One runner, for one job. It gets a configuration that is good for this job and nothing else.
setup=$1 door=$2 runner=$3
trap 'exit 78' EXIT # in some shells a '.' that fails ends the script at once
eval "$setup" || exit 78
trap - EXIT
[ -n "$PILOTAGE_SECRET_FILE" ] || { echo "this worker has no secret: see 'pilotage vo payload'" >&2; exit 78; }

# Neither the secret nor the configuration is ever a word of a command, which all on the node could read.
configuration=$(
  printf 'header = "Authorization: Bearer %s"\n' "$(cat "$PILOTAGE_SECRET_FILE")" |
    curl --config - --silent --show-error --fail --retry 5 --retry-delay 5 --retry-connrefused --max-time 60 --request POST "$door/runner"
)
code=$?
# 22: the door answered, and has nothing for this worker.
[ "$code" -ne 22 ] || { echo "$door gives this worker no runner: the door says why, where it runs" >&2; exit 77; }
[ "$code" -eq 0 ] || { echo "$door cannot be reached from here, or its certificate is not trusted" >&2; exit 69; }
[ -n "$configuration" ] || exit 77

# The job must not speak for this worker.
rm -f "$PILOTAGE_SECRET_FILE"
unset PILOTAGE_SECRET_FILE PILOTAGE_URL

# A runner writes into its own folder who it is, and what it checks out: each has a copy.
folder=$(mktemp -d "${TMPDIR:-/tmp}/runner.XXXXXXXX") || exit 71
trap 'rm -rf "$folder"' EXIT
cp -R . "$folder" && cd "$folder" || exit 71

# The runner of GitHub cancels its job by a signal, so it gets none: it has the grace to finish.
trap : TERM
ACTIONS_RUNNER_INPUT_JITCONFIG=$configuration $runner &
pid=$!
while :; do
  wait "$pid"
  code=$?
  kill -0 "$pid" 2>/dev/null || break
done
exit "$code"
