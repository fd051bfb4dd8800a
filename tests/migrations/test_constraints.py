"""Every constraint is there and works, also for SQL that bypasses our own checks."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Boolean, inspect
from sqlalchemy.exc import IntegrityError

from tests.factories import a_ce, a_decision, a_pilot, a_schedule, a_vo
from tests.migrations.chains import CHAINS
from worker.db.uow import Transaction, UnitOfWork
from worker.domain.timeouts import NAMES as TIMEOUTS

STAMP = "0123456789abcdef" * 2
ENDED = {"ended_at": "2026-01-01 00:00:00"}
COUNTED = {
    "was": "",
    "became": "reserved",
    "cause": "",
    "pilots": 1,
    "starts": 0,
    "seconds_to_start": 0,
    "seconds_run": 0,
}
MOVED = {
    "was": "",
    "became": "reserved",
    "cause": "",
    "pilots": 1,
    "starts": 0,
    "microseconds_to_start": 0,
    "microseconds_run": 0,
}
CYCLE = {
    "vo_id": "{vo}",
    "list_id": "{list}",
    "base_id": "{base}",
    "at": "2026-01-01 00:00:00",
    "until": "2026-01-01 00:00:00",
    "ticks": 1,
    "granted": 0,
    "digest": "b",
    "cells": "c",
}
TABLES = {name: table for chain in CHAINS for name, table in chain.metadata.tables.items()}

# A word in braces stands for the id of an existing row.
VALID: Mapping[str, Mapping[str, Any]] = {
    "vos": {"name": "new"},
    "ces": {"name": "new", "backend": "sim", "capacity": 1, "tags": "{}", "options": "{}"},
    "ce_vos": {"ce_id": "{ce}", "vo_id": "{vo}"},
    "pilots": {"stamp": STAMP, "vo_id": "{vo}", "ce_id": "{ce}", "status": "reserved"},
    "transitions": {"pilot_id": "{pilot}", "became": "reserved"},
    "new_tallies": {"at": "2026-01-01 00:00:00", "ce_id": "{ce}", "vo_id": "{vo}", **COUNTED},
    "pilot_counts": {"ce_id": "{ce}", "vo_id": "{vo}", "status": "done", "pilots": 1},
    "tallies": {
        "grain": "hour",
        "begins_at": "2026-01-01 00:00:00",
        "ce_id": "{ce}",
        "vo_id": "{vo}",
        **COUNTED,
    },
    "call_tallies": {
        "grain": "hour",
        "begins_at": "2026-01-01 00:00:00",
        "ce_id": "{ce}",
        "kind": "poll",
        "outcome": "answered",
        "within": 10,
        "calls": 1,
        "seconds": 0,
    },
    "ce_totals": {"ce_id": "{ce}", **MOVED},
    "vo_totals": {"vo_id": "{vo}", **MOVED},
    "call_totals": {
        "ce_id": 1,
        "backend": "sim",
        "kind": "poll",
        "outcome": "answered",
        "within": 10,
        "calls": 1,
        "microseconds": 0,
    },
    "vo_cohorts": {
        "vo_id": "{vo}",
        "ce_id": "{ce}",
        "minute": "2026-01-01 00:00:00",
        **dict.fromkeys(("useful", "short", "empty", "served"), 0),
    },
    "vo_work": {"vo_id": "{vo}", "lives": "{}"},
    "outputs": {"pilot_id": "{pilot}", "text": "words"},
    "pilot_reports": {"pilot_id": "{pilot}", "at": "2026-01-01 00:00:00"},
    "ce_lists": {"digest": "b", "places": 1},
    "ce_list_places": {"list_id": "{list}", "place": 7, "ce_id": "{ce}"},
    "decision_bases": {"list_id": "{list}", "at": "2026-01-01 00:00:00", "cells": "c"},
    "decisions": CYCLE,
    "ce_health": {"ce_id": "{ill}", "learned": "{}"},
    "sending_changes": {"ce_id": "{ce}", "was": "normal", "became": "paused", "reason": "why"},
    "maintenances": {
        "ce_id": "{ce}",
        "begins_at": "2026-01-01 00:00:00",
        "ends_at": "2026-01-02 00:00:00",
        "reason": "new disks",
    },
    "vo_demands": {"vo_id": "{vo}"},
    "trials": {
        "vo_id": "{vo}",
        "ce_id": "{ce}",
        "most": 1,
        "failures": 0,
        "retry_at": "2026-01-01 00:00:00",
        "refused_at": "2026-01-01 00:00:00",
        "reason": "no room",
    },
    "credentials": {"vo_id": "{vo}", "backend": "arc", "kind": "proxy", "path": "/a/file"},
    "schedules": {"task": "new", "every": 1},
    "leases": {"name": "new"},
    "reports": {"summary": "{}"},
    "webhook_events": {
        "event_id": STAMP,
        "kind": "test",
        "at": "2026-01-01 00:00:00",
        "details": "{}",
    },
    "standstills": {"queue": "plan", "since": "2026-01-01 00:00:00"},
    "changes": {
        "who": "me@here",
        "what": "ce set",
        "kind": "ce",
        "name": "lyon",
        "door": "command",
    },
    "tokens": {
        "name": "new",
        "kind": "token",
        "secret_hash": "b",
        "role": "read",
        "made_at": "2026-01-01 00:00:00",
        "made_by": "me@here",
        "expires_at": "2026-01-02 00:00:00",
    },
    "answered_requests": {
        "who": "me@here",
        "key": "new",
        "request": "b",
        "at": "2026-01-01 00:00:00",
    },
    "sim_jobs": {
        "ce": "ce",
        "stamp": STAMP,
        "vo": "default",
        "visible_at": "2026-01-01 00:00:00",
        "fate": "done",
    },
    "sim_faults": {"ce": "ce", "fault": "slow", "settings": "{}"},
    "htcondor_marks": {"ce": "ce", "next_job": "1.0", "next_at": "2026-01-01 00:00:00"},
    "arc_identities": {
        "ce": "ce",
        "vo": "default",
        "owner": "somebody",
        "used_at": "2026-01-01 00:00:00",
    },
    "arc_jobs": {"ce": "ce", "job": "4711", "owner": "somebody"},
    "local_hosts": {"ce": "ce", "folder_id": STAMP, "host": "host", "folder": "/tmp/x"},
    "slurm_clusters": {"ce": "ce"},
    "slurm_cancellations": {"ce": "ce", "stamp": STAMP, "asked_at": "2026-01-01 00:00:00"},
}

BROKEN: list[tuple[str, str, Mapping[str, Any]]] = [
    ("uq_vos_name", "vos", {"name": "default"}),
    ("ck_vos_share", "vos", {"share": -0.1}),
    ("ck_vos_limit", "vos", {"limit": -1}),
    ("ck_vos_demand", "vos", {"demand": -1}),
    ("ck_vos_budget", "vos", {"budget": -1}),
    *((f"ck_{table}_{name}", table, {name: 0}) for table in ("vos", "ces") for name in TIMEOUTS),
    ("ck_vos_idle_at_most", "vos", {"idle_at_most": 0}),
    ("ck_vos_demand_min", "vos", {"demand_min": -1}),
    ("ck_vos_demand_max", "vos", {"demand_max": -1}),
    ("ck_vos_scale_down_delay", "vos", {"scale_down_delay": 0}),
    ("uq_ces_name", "ces", {"name": "there"}),
    ("ck_ces_capacity", "ces", {"capacity": -1}),
    ("ck_ces_waiting_limit", "ces", {"waiting_limit": -1}),
    ("ck_ces_success_rate", "ces", {"success_rate": 1.5}),
    ("ck_ces_success_rate", "ces", {"success_rate": -0.5}),
    ("ck_pilot_counts_status", "pilot_counts", {"status": "asleep"}),
    ("fk_pilot_counts_ce_id", "pilot_counts", {"ce_id": 4711}),
    ("fk_pilot_counts_vo_id", "pilot_counts", {"vo_id": 4711}),
    ("ck_tallies_grain", "tallies", {"grain": "year"}),
    ("fk_tallies_ce_id", "tallies", {"ce_id": 4711}),
    ("fk_tallies_vo_id", "tallies", {"vo_id": 4711}),
    ("ck_call_tallies_grain", "call_tallies", {"grain": "year"}),
    ("ck_call_tallies_kind", "call_tallies", {"kind": "ping"}),
    ("ck_call_tallies_outcome", "call_tallies", {"outcome": "well"}),
    ("fk_call_tallies_ce_id", "call_tallies", {"ce_id": 4711}),
    ("fk_ce_totals_ce_id", "ce_totals", {"ce_id": 4711}),
    ("fk_vo_totals_vo_id", "vo_totals", {"vo_id": 4711}),
    ("ck_call_totals_kind", "call_totals", {"kind": "ping"}),
    ("ck_call_totals_outcome", "call_totals", {"outcome": "well"}),
    ("fk_ce_vos_ce_id", "ce_vos", {"ce_id": 4711}),
    ("fk_ce_vos_vo_id", "ce_vos", {"vo_id": 4711}),
    ("fk_vo_cohorts_ce_id", "vo_cohorts", {"ce_id": 4711}),
    ("fk_vo_cohorts_vo_id", "vo_cohorts", {"vo_id": 4711}),
    ("fk_vo_work_vo_id", "vo_work", {"vo_id": 4711}),
    ("ck_vo_work_without_work", "vo_work", {"without_work_reason": "none was of use"}),
    ("uq_pilots_stamp", "pilots", {"stamp": "{stamp}"}),
    ("ck_pilots_stamp", "pilots", {"stamp": STAMP[1:]}),
    ("ck_pilots_stamp", "pilots", {"stamp": STAMP.upper()}),
    ("fk_pilots_vo_id", "pilots", {"vo_id": 4711}),
    ("fk_pilots_ce_id", "pilots", {"ce_id": 4711}),
    ("ck_pilots_status", "pilots", {"status": "sleeping"}),
    ("ck_pilots_cause", "pilots", {"status": "failed", "cause": "bad luck", **ENDED}),
    ("ck_pilots_cause_of_failure", "pilots", {"cause": "node"}),
    ("ck_pilots_cause_of_failure", "pilots", {"status": "failed", **ENDED}),
    ("ck_pilots_use", "pilots", {"status": "done", "use": "fun", **ENDED}),
    ("ck_pilots_use_of_good_end", "pilots", {"use": "useful"}),
    ("ck_pilots_ended", "pilots", ENDED),
    ("ck_pilots_ended", "pilots", {"status": "done"}),
    ("ck_pilots_counts", "pilots", {"attempts": -1}),
    ("ck_pilots_counts", "pilots", {"misses": -1}),
    ("ck_pilots_counts", "pilots", {"requeues": -1}),
    ("uq_pilots_handle_ce_id", "pilots", {"handle": "taken"}),
    ("fk_transitions_pilot_id", "transitions", {"pilot_id": 4711}),
    ("ck_transitions_was", "transitions", {"was": "sleeping"}),
    ("ck_transitions_became", "transitions", {"became": "sleeping"}),
    ("ck_transitions_cause", "transitions", {"cause": "bad luck"}),
    ("fk_outputs_pilot_id", "outputs", {"pilot_id": 4711}),
    ("fk_pilot_reports_pilot_id", "pilot_reports", {"pilot_id": 4711}),
    ("ck_pilot_reports_state", "pilot_reports", {"state": "asleep"}),
    ("ck_pilot_reports_payloads", "pilot_reports", {"payloads": -1}),
    (
        "ck_pilot_reports_idle",
        "pilot_reports",
        {"state": "busy", "idle_since": "2026-01-01 00:00:00"},
    ),
    ("fk_ce_list_places_list_id", "ce_list_places", {"list_id": 4711}),
    ("fk_ce_list_places_ce_id", "ce_list_places", {"ce_id": 4711}),
    ("fk_decision_bases_list_id", "decision_bases", {"list_id": 4711}),
    ("fk_decisions_vo_id", "decisions", {"vo_id": 4711}),
    ("fk_decisions_base_id", "decisions", {"base_id": 4711}),
    ("ck_decisions_granted", "decisions", {"granted": -1}),
    ("ck_decisions_ticks", "decisions", {"ticks": 0}),
    ("ck_decisions_ticks", "decisions", {"until": "2025-01-01 00:00:00"}),
    ("fk_ce_health_ce_id", "ce_health", {"ce_id": 4711}),
    ("ck_ce_health_sending", "ce_health", {"sending": "loose", "sending_reason": "why"}),
    ("ck_ce_health_sending_reason", "ce_health", {"sending": "paused"}),
    ("ck_ce_health_sending_reason", "ce_health", {"sending_reason": "why"}),
    ("ck_ce_health_failed_calls", "ce_health", {"failed_calls": -1}),
    ("ck_ce_health_queue_drained", "ce_health", {"queue_drained": -1}),
    ("fk_sending_changes_ce_id", "sending_changes", {"ce_id": 4711}),
    ("ck_sending_changes_was", "sending_changes", {"was": "loose"}),
    ("ck_sending_changes_became", "sending_changes", {"became": "loose"}),
    ("fk_maintenances_ce_id", "maintenances", {"ce_id": 4711}),
    ("ck_maintenances_order", "maintenances", {"ends_at": "2026-01-01 00:00:00"}),
    ("fk_vo_demands_vo_id", "vo_demands", {"vo_id": 4711}),
    ("ck_vo_demands_demand", "vo_demands", {"demand": -1}),
    ("ck_vo_demands_held", "vo_demands", {"held": -1}),
    ("ck_vo_demands_lower", "vo_demands", {"lower": -1, "lower_since": "2026-01-01 00:00:00"}),
    ("ck_vo_demands_lower_since", "vo_demands", {"lower": 1}),
    ("fk_trials_vo_id", "trials", {"vo_id": 4711}),
    ("fk_trials_ce_id", "trials", {"ce_id": 4711}),
    ("ck_trials_most", "trials", {"most": 0}),
    ("ck_trials_failures", "trials", {"failures": -1}),
    ("fk_credentials_vo_id", "credentials", {"vo_id": 4711}),
    ("ck_credentials_kind", "credentials", {"kind": "password"}),
    ("ck_credentials_failures", "credentials", {"failures": -1}),
    ("uq_credentials_backend_kind", "credentials", {"vo_id": None, "backend": "there"}),
    ("uq_credentials_vo_id_backend_kind", "credentials", {"backend": "there"}),
    ("uq_schedules_task", "schedules", {"task": "there"}),
    ("uq_schedules_task_vo_id", "schedules", {"task": "there", "vo_id": "{vo}"}),
    ("fk_schedules_vo_id", "schedules", {"vo_id": 4711}),
    ("ck_schedules_every_or_cron", "schedules", {"cron": "* * * * *"}),
    ("ck_schedules_every_or_cron", "schedules", {"every": None}),
    ("ck_schedules_every", "schedules", {"every": 0}),
    ("ck_schedules_last_outcome", "schedules", {"last_outcome": "so so"}),
    ("uq_webhook_events_event_id", "webhook_events", {"event_id": "taken"}),
    ("ck_webhook_events_kind", "webhook_events", {"kind": "party"}),
    ("ck_webhook_events_attempts", "webhook_events", {"attempts": -1}),
    ("ck_changes_door", "changes", {"door": "window"}),
    ("uq_tokens_name", "tokens", {"name": "there"}),
    ("uq_tokens_secret_hash", "tokens", {"secret_hash": "taken"}),
    ("ck_tokens_kind", "tokens", {"kind": "key"}),
    ("ck_tokens_role", "tokens", {"role": "king"}),
    ("ck_tokens_vo", "tokens", {"vo_id": "{vo}"}),
    ("fk_tokens_vo_id", "tokens", {"vo_id": 4711, "role": "operate"}),
    ("ck_sim_faults_rate", "sim_faults", {"rate": 1.5}),
    ("ck_sim_faults_rate", "sim_faults", {"rate": -0.5}),
]

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "vos": {
        "share": 1,
        "enabled": True,
        "draining": False,
        "cancel_surplus": False,
        "limit": None,
        "demand": None,
        "budget": None,
        "demand_min": None,
        "demand_max": None,
        "scale_down_delay": None,
        **dict.fromkeys(TIMEOUTS),
    },
    "ces": {
        "success_rate": 1,
        "enabled": True,
        "draining": False,
        "drain_by": None,
        "end_running": False,
        **dict.fromkeys(TIMEOUTS),
        "cancel_strangers": False,
        "open_to_all": True,
        "waiting_limit": None,
    },
    "pilots": {"attempts": 0, "misses": 0, "requeues": 0, "cause": None, "next_check_at": None},
    "ce_health": {"sending": "normal", "failed_calls": 0, "queue_drained": 0},
    "schedules": {"enabled": True, "next_at": None},
    "sim_jobs": {"forgotten_at": None},
    "sim_faults": {"rate": 1},
}


def make_targets(tx: Transaction) -> dict[str, str]:
    """Make the rows that others point at; return the id of each."""
    vo, ce = a_vo().create(tx), a_ce().named("there").create(tx)
    ill = a_ce().create(tx)
    tx.connection.exec_driver_sql(f"DELETE FROM ce_health WHERE ce_id = {ill.id}")
    pilot = a_pilot().on(ce).with_handle("taken").create(tx)
    for owner in (vo.id, "NULL"):
        tx.connection.exec_driver_sql(
            "INSERT INTO credentials (vo_id, backend, kind, path)"
            f" VALUES ({owner}, 'there', 'proxy', '/a/file')"
        )
    insert(tx, "tokens", {**VALID["tokens"], "name": "there", "secret_hash": "taken"}, {})
    insert(tx, "webhook_events", {**VALID["webhook_events"], "event_id": "taken"}, {})
    a_schedule().of("there").create(tx)
    a_schedule().of("there").for_vo(vo).create(tx)
    a_decision().on(ce).create(tx)
    lists, bases = (
        tx.connection.exec_driver_sql(f"SELECT max(id) FROM {table}").scalar_one()
        for table in ("ce_lists", "decision_bases")
    )
    return {
        "{list}": str(lists),
        "{base}": str(bases),
        "{vo}": str(vo.id),
        "{ce}": str(ce.id),
        "{ill}": str(ill.id),
        "{pilot}": str(pilot.id),
        "{stamp}": f"'{pilot.stamp}'",
    }


def insert(tx: Transaction, table: str, values: Mapping[str, Any], ids: Mapping[str, str]) -> None:
    """Write a row as somebody with a SQL prompt would."""
    names = ", ".join(f'"{name}"' for name in values)
    literals = ", ".join(literal(value, ids) for value in values.values())
    tx.connection.exec_driver_sql(f"INSERT INTO {table} ({names}) VALUES ({literals})")


def literal(value: Any, ids: Mapping[str, str]) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, str):
        return ids.get(value, f"'{value}'")
    return str(value)


@pytest.mark.parametrize("table", VALID)
def test_a_row_of_the_least_is_taken_and_its_defaults_are_filled_in(
    uow: UnitOfWork, table: str
) -> None:
    with uow() as tx:
        ids = make_targets(tx)
        insert(tx, table, VALID[table], ids)
    model = TABLES[table]
    key = next(iter(model.primary_key.columns))
    with uow() as tx:
        # The newest: its key is the greatest.
        row = tx.execute(model.select().order_by(key.desc())).mappings().first()
    assert row is not None

    assert {name: row[name] for name in DEFAULTS.get(table, {})} == DEFAULTS.get(table, {})
    for column in model.columns:
        if column.server_default is not None:
            assert row[column.name] is not None, column
        if isinstance(column.type, Boolean) and not column.nullable:
            assert isinstance(row[column.name], bool)
        if isinstance(row[column.name], datetime):
            assert row[column.name].tzinfo is UTC


@pytest.mark.parametrize(("constraint", "table", "values"), BROKEN)
def test_a_row_that_breaks_a_constraint_is_refused(
    uow: UnitOfWork, constraint: str, table: str, values: Mapping[str, Any]
) -> None:
    with uow() as tx:
        ids = make_targets(tx)
    with pytest.raises(IntegrityError) as error, uow() as tx:
        insert(tx, table, {**VALID[table], **values}, ids)

    message = str(error.value)
    if uow.engine.dialect.name == "sqlite" and not constraint.startswith("ck_"):
        # SQLite names no other constraints.
        assert {"uq": "UNIQUE", "fk": "FOREIGN KEY"}[constraint[:2]] in message
    else:
        assert constraint in message


def test_every_constraint_is_among_those_that_are_tried(uow: UnitOfWork) -> None:
    names = set()
    with uow() as tx:
        inspector = inspect(tx.connection)
        for table in TABLES:
            names |= {check["name"] for check in inspector.get_check_constraints(table)}
            names |= {unique["name"] for unique in inspector.get_unique_constraints(table)}
            names |= {key["name"] for key in inspector.get_foreign_keys(table)}
            names |= {i["name"] for i in inspector.get_indexes(table) if i["unique"]}

    assert names == {constraint for constraint, _, _ in BROKEN}


def test_every_table_is_among_those_that_are_tried() -> None:
    assert set(VALID) == set(TABLES)


@pytest.mark.parametrize(
    ("target", "pointing"),
    [("vos", "pilots"), ("ces", "pilots")],
)
def test_what_has_pilots_cannot_be_deleted_past_us(
    uow: UnitOfWork, target: str, pointing: str
) -> None:
    with uow() as tx:
        pilot = a_pilot().on(a_ce().create(tx)).for_vo(a_vo().create(tx)).create(tx)
    name = pilot.vo if target == "vos" else pilot.ce
    with pytest.raises(IntegrityError), uow() as tx:
        tx.connection.exec_driver_sql(f"DELETE FROM {target} WHERE name = '{name}'")


def test_a_pilot_that_is_deleted_takes_its_history_with_it(uow: UnitOfWork) -> None:
    with uow() as tx:
        ids = make_targets(tx)
    with uow() as tx:
        tx.connection.exec_driver_sql(f"DELETE FROM pilots WHERE id = {ids['{pilot}']}")
    with uow() as tx:
        assert tx.connection.exec_driver_sql("SELECT * FROM transitions").all() == []


def test_now_is_a_moment_in_utc(uow: UnitOfWork) -> None:
    with uow() as tx:
        insert(tx, "vos", VALID["vos"], {})
        table = TABLES["vos"]
        moment = tx.execute(table.select().where(table.c.name == "new")).one().created_at

    assert abs((datetime.now(UTC) - moment).total_seconds()) < 60
