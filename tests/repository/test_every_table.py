"""Every table has tests that store rows in it and read them back."""

import inspect
from importlib import import_module

import pytest

from worker.db.tables import metadata

TESTS = {
    "vos": ("vos", "test_vos"),
    "ces": ("ces", "test_ces"),
    "ce_vos": ("ces", "test_ces"),
    "pilots": ("pilots", "test_reserve"),
    "transitions": ("pilot_reads", "test_moves"),
    "new_tallies": ("tallies", "test_tallies"),
    "pilot_counts": ("tallies", "test_tallies"),
    "tallies": ("tallies", "test_tallies"),
    "vo_cohorts": ("work", "test_work"),
    "vo_work": ("work", "test_work"),
    "call_tallies": ("call_tallies", "test_call_tallies"),
    "ce_totals": ("totals", "test_totals"),
    "vo_totals": ("totals", "test_totals"),
    "call_totals": ("call_tallies", "test_call_tallies"),
    "outputs": ("outputs", "test_outputs"),
    "pilot_reports": ("pilot_reports", "test_pilot_reports"),
    "ce_lists": ("decisions", "test_decisions"),
    "ce_list_places": ("decisions", "test_decisions"),
    "decision_bases": ("decisions", "test_decisions"),
    "decisions": ("decisions", "test_decisions"),
    "ce_health": ("health", "test_health"),
    "sending_changes": ("sending", "test_sending"),
    "maintenances": ("maintenances", "test_maintenances"),
    "vo_demands": ("demands", "test_demands"),
    "trials": ("trials", "test_trials"),
    "credentials": ("credentials", "test_credentials"),
    "schedules": ("schedules", "test_schedules"),
    "leases": ("locks", "test_leases"),
    "reports": ("reports", "test_reports"),
    "webhook_events": ("webhook_events", "test_webhook_events"),
    "standstills": ("webhook_events", "test_webhook_events"),
    "changes": ("changes", "test_changes"),
    "tokens": ("tokens", "test_tokens"),
    "answered_requests": ("answered", "test_answered"),
}
"""The module of `worker.db` that works on a table, and the module of tests beside this one."""


def test_no_table_is_forgotten() -> None:
    assert set(TESTS) == {table.name for table in metadata.sorted_tables}


@pytest.mark.parametrize("table", TESTS)
def test_its_tests_call_what_works_on_it_on_both_databases(table: str) -> None:
    name, tests_name = TESTS[table]
    module = import_module(f"worker.db.{name}")
    tests = import_module(f"tests.repository.{tests_name}")

    assert getattr(module, table) is metadata.tables[table]
    assert getattr(tests, name) is module
    functions = [one for key, one in vars(tests).items() if key.startswith("test_")]
    assert any("uow" in inspect.signature(one).parameters for one in functions)
