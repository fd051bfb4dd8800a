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
    curl --config - --silent --show-error --fail --max-time 60 --request POST "$door/runner"
) || exit 77
[ -n "$configuration" ] || exit 77

# The job must not speak for this worker.
rm -f "$PILOTAGE_SECRET_FILE"
unset PILOTAGE_SECRET_FILE PILOTAGE_URL
ACTIONS_RUNNER_INPUT_JITCONFIG=$configuration
export ACTIONS_RUNNER_INPUT_JITCONFIG
exec $runner
