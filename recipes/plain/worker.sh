#!/bin/sh
# What each worker runs: write your own work into this file, then 'pilotage apply fleet.toml' again.
#
# PILOTAGE_STAMP  a name that no other worker has
# PILOTAGE_CE     the cluster that it runs on
# When the worker is to end, it gets SIGTERM, and the file $PILOTAGE_END_FILE is there.
# A worker that finds nothing to do ends with 'exit 77', if [vo.NAME.payload.exit_codes] says 77 = "empty".

trap : TERM # without this, a shell ends at once
echo "worker $PILOTAGE_STAMP on $PILOTAGE_CE"
pieces=0
while [ "$pieces" -lt 60 ] && [ ! -e "$PILOTAGE_END_FILE" ]; do
  sleep 1 # one piece of work
  pieces=$((pieces + 1))
done
echo "did $pieces pieces of work"
