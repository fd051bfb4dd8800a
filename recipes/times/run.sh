#!/bin/sh
# One run: write your own work into this file, then 'pilotage apply fleet.toml' again.
#
# PILOTAGE_STAMP  a name that no other run has: name your results by it
# PILOTAGE_CE     the cluster that it runs on
# Exit code 0: this run is done. Any other: it failed, and another run takes its place.

echo "run $PILOTAGE_STAMP on $PILOTAGE_CE"
sleep 5 # the work
