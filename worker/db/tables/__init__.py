"""The tables of the core chain.

    vos ──< ce_vos >── ces ──── ce_health
     │                  ├──< sending_changes
     ├──< schedules     ├──< maintenances
     ├─── vo_demands    │
     ├─── vo_work       │
     ├──< vo_cohorts >──┤
     ├──< trials >──────┤
     ├──< credentials   │
     ├──< tokens        │
     ├──< decisions     ├──< ce_list_places >── ce_lists ──< decision_bases ──< decisions
     ├──< pilot_counts >┤
     ├──< tallies >─────┤
     ├──< vo_totals     ├──< ce_totals
     ├──< call_tallies  │
     └──< pilots >──────┘
             ├──< transitions        leases, new_tallies, call_totals, reports,
             ├─── outputs           changes, answered_requests
             └─── pilot_reports        webhook_events, standstills

A VO or CE that has pilots cannot be removed (RESTRICT): history must not be lost by accident. Rows
that only describe another row are deleted with it (CASCADE). No table here refers to a table of a
back-end.
"""

from worker.db.tables.common import NAMING, metadata
from worker.db.tables.counts import (
    call_tallies,
    call_totals,
    ce_totals,
    new_tallies,
    pilot_counts,
    tallies,
    vo_cohorts,
    vo_totals,
    vo_work,
)
from worker.db.tables.decisions import ce_list_places, ce_lists, decision_bases, decisions
from worker.db.tables.people import LONGEST_KEY, answered_requests, changes, tokens
from worker.db.tables.pilots import (
    NOT_ACCEPTED,
    RARE,
    became_rare,
    has_status,
    has_use,
    may_go_on,
    outputs,
    pilot_reports,
    pilots,
    transitions,
    waits_at_ce,
)
from worker.db.tables.places import (
    ce_health,
    ce_vos,
    ces,
    credentials,
    maintenances,
    sending_changes,
    trials,
    vo_demands,
    vos,
)
from worker.db.tables.running import leases, reports, schedules, standstills, webhook_events

__all__ = [
    "LONGEST_KEY",
    "NAMING",
    "NOT_ACCEPTED",
    "RARE",
    "answered_requests",
    "became_rare",
    "call_tallies",
    "call_totals",
    "ce_health",
    "ce_list_places",
    "ce_lists",
    "ce_totals",
    "ce_vos",
    "ces",
    "changes",
    "credentials",
    "decision_bases",
    "decisions",
    "has_status",
    "has_use",
    "leases",
    "maintenances",
    "may_go_on",
    "metadata",
    "new_tallies",
    "outputs",
    "pilot_counts",
    "pilot_reports",
    "pilots",
    "reports",
    "schedules",
    "sending_changes",
    "standstills",
    "tallies",
    "tokens",
    "transitions",
    "trials",
    "vo_cohorts",
    "vo_demands",
    "vo_totals",
    "vo_work",
    "vos",
    "waits_at_ce",
    "webhook_events",
]
