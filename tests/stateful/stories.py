"""Short stories of the machine: each shows what is wrong with a broken build.

They are written in the words of the machine, as it prints a play that breaks a promise.
"""

from collections.abc import Callable, Mapping

from tests.stateful.machine import FIRST, Machine
from worker.domain.vo import DEFAULT_VO

Story = Callable[[Machine], None]


def begin(
    machine: Machine, *, capacity: int = 1, waiting_limit: int | None = None, delay: float = 0.0
) -> None:
    """One CE and one VO are enough for a story."""
    machine.first_ce(capacity, waiting_limit, delay)
    machine.second_ce(0, None)
    machine.second_vo(0)


def nothing_is_free(machine: Machine) -> None:
    begin(machine)
    machine.the_factory_works(61)


def only_one_may_wait(machine: Machine) -> None:
    begin(machine, capacity=4, waiting_limit=1)
    machine.the_factory_works(61)


def an_order_is_never_sent(machine: Machine) -> None:
    begin(machine)
    machine.one_is_killed("dispatch", "before the call", 61)
    machine.the_factory_works(61)


def a_job_is_not_shown_yet(machine: Machine) -> None:
    begin(machine, delay=600.0)
    machine.one_is_killed("dispatch", "after the call", 0)
    machine.a_ce_errs_at_submission(FIRST, "shows jobs late", 1.0, 2, ends=True)


def a_listing_is_cut_short(machine: Machine) -> None:
    begin(machine)
    machine.one_is_killed("dispatch", "after the call", 0)
    machine.a_ce_errs_in_its_answers(FIRST, "cuts its listing short", 1.0, 4, ends=True)


def a_place_is_added_while_one_is_in_doubt(machine: Machine) -> None:
    begin(machine)
    machine.one_is_killed("dispatch", "after the call", 0)
    machine.a_ce_errs_in_its_answers(FIRST, "cuts its listing short", 1.0, 1, ends=False)
    machine.a_ce_is_resized(FIRST, 2, None, 61)


def a_receipt_comes_late(machine: Machine) -> None:
    begin(machine)
    machine.one_is_kept_waiting("dispatch", "after the call", 61)
    for _ in range(3):
        machine.the_factory_works(61)
    machine.one_that_waited_goes_on(0, 61)


def a_reply_is_lost(machine: Machine) -> None:
    begin(machine)
    machine.a_ce_errs_at_submission(FIRST, "accepts and loses the reply", 1.0, 4, ends=True)


def answers_leave_pilots_out(machine: Machine) -> None:
    begin(machine)
    machine.the_factory_works(61)
    machine.a_ce_errs_in_its_answers(FIRST, "leaves out all", 1.0, 4, ends=True)


def a_ce_is_down(machine: Machine) -> None:
    begin(machine)
    machine.the_factory_works(61)
    machine.a_ce_errs_in_its_answers(FIRST, "is down", 1.0, 1, ends=True)


def a_ce_forgets_for_a_moment(machine: Machine) -> None:
    begin(machine)
    machine.the_factory_works(61)
    machine.a_ce_errs_in_its_answers(FIRST, "forgets jobs for a while", 1.0, 1, ends=True)


def a_decision_is_killed(machine: Machine) -> None:
    begin(machine)
    machine.a_task_is_run_by_hand(("submit_pilots", DEFAULT_VO), "before commit 2", 61)


def a_nudge_is_lost(machine: Machine) -> None:
    begin(machine)
    machine.a_task_is_run_by_hand(("submit_pilots", DEFAULT_VO), "after commit 1", 0)


def old_pilots_are_pruned(machine: Machine) -> None:
    begin(machine)
    for _ in range(3):
        machine.the_factory_works(700)
    machine.a_task_is_run_by_hand(("prune", None), None, 0)


def two_ces_share_a_place(machine: Machine) -> None:
    machine.first_ce(2, None, 0.0)
    machine.second_ce(2, None)
    machine.second_vo(0)
    for _ in range(3):
        machine.the_factory_works(61)


STORIES: Mapping[str, tuple[Story, str]] = {
    "gives_up_after_one_listing": (an_order_is_never_sent, "not known"),
    "trusts_an_incomplete_listing": (a_listing_is_cut_short, "not known"),
    "ignores_the_visibility_delay": (a_job_is_not_shown_yet, "not known"),
    "records_whatever_the_pilot_is_by_now": (a_receipt_comes_late, "not known"),
    "records_before_the_ce_has_answered": (an_order_is_never_sent, "not known"),
    "takes_a_failed_call_for_a_refusal": (a_reply_is_lost, "not known"),
    "takes_no_answer_for_an_absence": (answers_leave_pilots_out, "not known"),
    "takes_an_error_for_an_absence": (a_ce_is_down, "not known"),
    "loses_a_pilot_at_its_first_absence": (a_ce_forgets_for_a_moment, "not known"),
    "sends_those_in_doubt_again": (a_place_is_added_while_one_is_in_doubt, "twice"),
    "decides_in_another_transaction": (a_decision_is_killed, "reason"),
    "never_takes_over_a_lease": (an_order_is_never_sent, "fate"),
    "forgets_the_waiting_limit": (only_one_may_wait, "too many"),
    "tells_no_reason_for_nothing": (nothing_is_free, "reason"),
    "prunes_what_is_young": (old_pilots_are_pruned, "lost"),
    "ends_what_is_of_another_ce": (two_ces_share_a_place, "wanted"),
    "finds_no_lost_nudge": (a_nudge_is_lost, "fate"),
}
"""For each broken build, the story that fails with it, and the promise that breaks."""
