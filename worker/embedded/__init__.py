"""The processes that `pilotage up` starts and keeps alive."""
