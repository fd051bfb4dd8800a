"""The processes that `pilotage up` starts, keeps running and stops."""
