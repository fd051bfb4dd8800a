"""`pilotage ce` and `pilotage vo`: the inventory, on both databases."""

import json
from pathlib import Path

import pytest

from tests.cli.command import Cli, contents
from tests.patience import until
from worker.db.database import Database
from worker.domain.vo import DEFAULT_VO

CE_LIST = {
    *("name", "state", "backend", "capacity", "waiting_limit", "success_rate"),
    *("enabled", "draining", "open_to_all", "tags", "options", "set_by"),
}
OF_ONE_CE = {
    *("only_for", "drain_by", "end_running", "wait_at_most", "run_at_most", "silent_at_most"),
    *("cancel_strangers", "held_until", "unreconciled_since", "chances"),
    *("sending", "sending_reason", "sending_since"),
    *("calls", "failed_calls", "answered_at", "unanswered_since", "last_error", "retry_at"),
}
"""The fields that `ce show` has and `ce list` has not."""
SIM = ("--backend", "sim", "--capacity", "10")


@pytest.mark.usefixtures("world")
def test_a_ce_is_added_shown_changed_and_removed(cli: Cli) -> None:
    before = cli.json(
        *("ce", "add", "lyon", *SIM, "--waiting-limit", "4", "--success-rate", "0.75"),
        *("--tag", "fast", "--tag", "eu", "--option", "run_time=5"),
    )
    assert set(before) == CE_LIST | OF_ONE_CE
    assert cli.json("ce", "show", "lyon") == before
    assert (before["success_rate"], before["tags"]) == (0.75, ["fast", "eu"])

    after = cli.json("ce", "set", "lyon", "--capacity", "20", "--tag", "slow")
    assert after == {**before, "capacity": 20, "tags": ["slow"]}

    assert "remove CE lyon" in cli.refused("ce", "remove", "lyon")
    assert cli.json("ce", "show", "lyon") == after
    assert cli.ok("ce", "remove", "lyon", "--yes").out == "CE lyon removed\n"
    assert cli.json("ce", "list") == {"items": [], "next": None}


@pytest.mark.usefixtures("world")
def test_a_list_with_nothing_in_it_says_so(cli: Cli) -> None:
    assert cli.ok("ce", "list").out == "no CEs found\n"
    assert cli.ok("vo", "list", "--search", "zzz").out == "no VOs found\n"
    assert cli.ok("pilot", "list").out == "no pilots found\n"


@pytest.mark.usefixtures("world")
def test_enabling_disabling_and_draining(cli: Cli) -> None:
    cli.ok("ce", "add", "lyon", *SIM, "--disabled")

    def state(word: str) -> tuple[bool, bool]:
        ce = cli.json("ce", word, "lyon")
        return ce["enabled"], ce["draining"]

    assert state("show") == (False, False)
    assert state("enable") == (True, False)
    assert state("drain") == (True, True)
    assert state("enable") == (True, False)
    assert state("disable") == (False, False)
    assert cli.json("vo", "disable", DEFAULT_VO)["enabled"] is False
    assert cli.json("vo", "enable", DEFAULT_VO)["enabled"] is True


@pytest.mark.usefixtures("world")
def test_none_takes_limits_tags_and_options_away(cli: Cli) -> None:
    cli.ok("ce", "add", "lyon", *SIM, "--waiting-limit", "4", "--tag", "a", "--option", "seed=7")

    data = cli.json(
        *("ce", "set", "lyon", "--waiting-limit", "none", "--tag", "none", "--option", "seed=none")
    )
    assert (data["waiting_limit"], data["tags"], data["options"]) == (None, [], {})

    cli.ok("vo", "add", "lhcb", "--limit", "5", "--demand", "3")
    data = cli.json("vo", "set", "lhcb", "--limit", "none", "--demand", "none")
    assert (data["limit"], data["demand"]) == (None, None)


@pytest.mark.usefixtures("world")
def test_options_may_be_text_numbers_or_json_and_are_shown_as_they_are_given(cli: Cli) -> None:
    options = {
        "run_time": 5,
        "history": False,
        "spread": "fixed",
        "failures": {"node": 1, "exit_code": 2},
    }
    pairs = [f"{key}={v if isinstance(v, str) else json.dumps(v)}" for key, v in options.items()]
    words = [word for pair in pairs for word in ("--option", pair)]

    assert cli.json("ce", "add", "lyon", *SIM, *words)["options"] == options

    (line,) = [line for line in cli.ok("ce", "show", "lyon").lines if line.startswith("options")]
    for pair in pairs:
        assert pair in line


@pytest.mark.usefixtures("world")
def test_options_change_key_by_key(cli: Cli) -> None:
    cli.ok("ce", "add", "lyon", *SIM, "--option", "run_time=5", "--option", "seed=7")

    assert cli.json("ce", "set", "lyon", "--option", "run_time=6")["options"] == {
        "run_time": 6,
        "seed": 7,
    }


def test_an_infinite_option_never_breaks_the_database(cli: Cli, world: Database) -> None:
    before = contents(world)
    for value in ("NaN", "nan", "-Infinity", "1e999", "Infinity"):
        cli.refused("ce", "add", "lyon", *SIM, "--option", f"run_time={value}")
    assert contents(world) == before


@pytest.mark.usefixtures("world")
def test_a_mistyped_option_is_answered_with_the_nearest(cli: Cli) -> None:
    cli.ok("ce", "add", "lyon", *SIM)

    for words in (("add", "rome", *SIM), ("set", "lyon")):
        message = cli.refused("ce", *words, "--option", "rum_time=5")
        assert message.endswith("option 'rum_time' of back-end sim: did you mean 'run_time'?")


@pytest.mark.usefixtures("world")
def test_a_ce_may_be_closed_to_all_but_some_vos(cli: Cli) -> None:
    cli.ok("vo", "add", "lhcb")
    cli.ok("vo", "add", "atlas")

    ce = cli.json("ce", "add", "lyon", *SIM, "--vo", "lhcb", "--vo", "atlas")
    assert (ce["open_to_all"], ce["only_for"]) == (False, ["atlas", "lhcb"])
    ce = cli.json("ce", "set", "lyon", "--vo", "lhcb")
    assert ce["only_for"] == ["lhcb"]
    ce = cli.json("ce", "set", "lyon", "--capacity", "11")
    assert ce["only_for"] == ["lhcb"]
    ce = cli.json("ce", "set", "lyon", "--vo", "all")
    assert (ce["open_to_all"], ce["only_for"]) == (True, [])


@pytest.mark.usefixtures("world")
def test_lists_are_searched_filtered_and_sorted(cli: Cli) -> None:
    for number, name in enumerate(("lyon", "Rome", "oslo"), start=1):
        cli.ok("ce", "add", name, "--backend", "sim", "--capacity", str(number))
    cli.ok("ce", "disable", "oslo")
    cli.ok("ce", "set", "oslo", "--tag", "gpu", "--tag", "north")
    cli.ok("ce", "set", "lyon", "--tag", "gpu")

    def names(*words: str) -> list[str]:
        return [ce["name"] for ce in cli.json("ce", "list", *words)["items"]]

    assert names("--search", "RO") == ["Rome"]
    assert names("--sort", "capacity", "--descending") == ["oslo", "Rome", "lyon"]
    assert names("--disabled") == ["oslo"]
    assert sorted(names("--enabled")) == ["Rome", "lyon"]
    assert names("--backend", "local") == []
    assert names("--tag", "gpu", "--sort", "name") == ["lyon", "oslo"]
    assert names("--tag", "gpu", "--tag", "north") == ["oslo"]
    assert names("--tag", "gp") == []
    assert names("--search", "%") == []


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("direction", [(), ("--descending",)])
@pytest.mark.parametrize("sort", ["name", "capacity"])
def test_pages_follow_each_other_without_gap_or_repeat(
    cli: Cli, sort: str, direction: tuple[str, ...]
) -> None:
    for number in range(5):
        cli.ok("ce", "add", f"ce{number}", "--backend", "sim", "--capacity", str(number // 2))
    words = ("ce", "list", "--sort", sort, *direction)
    whole = [ce["name"] for ce in cli.json(*words)["items"]]

    names: list[str] = []
    after: tuple[str, ...] = ()
    while True:
        page = cli.json(*words, "--rows", "2", *after)
        names += [ce["name"] for ce in page["items"]]
        if page["next"] is None:
            break
        last = cli.ok(*words, "--rows", "2", *after).lines[-1]
        assert last == f"more: --after {page['next']}"
        after = ("--after", page["next"])

    assert names == whole
    assert len(names) == 5


@pytest.mark.usefixtures("world")
def test_a_list_shows_what_show_shows(cli: Cli) -> None:
    cli.ok("ce", "add", "lyon", *SIM, "--option", "seed=7", "--tag", "x")

    (row,) = cli.json("ce", "list")["items"]
    assert row == {k: v for k, v in cli.json("ce", "show", "lyon").items() if k in CE_LIST}
    (row,) = cli.json("vo", "list")["items"]
    vo = cli.json("vo", "show", DEFAULT_VO)
    assert row == {name: vo[name] for name in row}
    assert {"name", "share", "limit", "demand", "enabled", "draining"} <= row.keys()


@pytest.mark.usefixtures("world")
def test_the_columns_of_a_table_line_up(cli: Cli) -> None:
    cli.ok("ce", "add", "a", *SIM)
    cli.ok("ce", "add", "a-much-longer-name", "--backend", "sim", "--capacity", "12345")

    head, *rows = cli.ok("ce", "list").lines

    end = head.index("capacity") + len("capacity")
    assert [row[:end].split()[-1] for row in rows] == ["10", "12345"]
    assert all(row[end : end + 2] == "  " for row in rows)


@pytest.mark.usefixtures("world")
def test_a_vo_is_added_shown_changed_and_removed(cli: Cli) -> None:
    vo = cli.json("vo", "add", "lhcb", "--share", "2.5", "--limit", "500", "--disabled")
    assert vo == {
        "name": "lhcb",
        "share": 2.5,
        "limit": 500,
        "demand": None,
        "enabled": False,
        "draining": False,
        "budget": None,
        "cancel_surplus": False,
        "wait_at_most": None,
        "run_at_most": None,
        "silent_at_most": None,
        "idle_at_most": None,
        "demand_min": None,
        "demand_max": None,
        "scale_down_delay": None,
        "source": None,
    }
    assert cli.json("vo", "set", "lhcb", "--demand", "0") == {**vo, "demand": 0}
    assert "remove VO lhcb" in cli.refused("vo", "remove", "lhcb")
    assert cli.ok("vo", "remove", "lhcb", "--yes").out == "VO lhcb removed\n"


def test_the_vo_that_is_meant_by_default_stays(cli: Cli, world: Database) -> None:
    before = contents(world)
    assert "disable" in cli.refused("vo", "remove", DEFAULT_VO, "--yes")
    assert contents(world) == before


def test_what_has_pilots_stays(cli: Cli, site: Database) -> None:
    before = contents(site)
    assert "it has pilots" in cli.refused("ce", "remove", "lyon", "--yes")
    assert contents(site) == before


def test_a_change_of_nothing_is_refused(cli: Cli, site: Database) -> None:
    assert "Name a value to change" in cli.refused("ce", "set", "lyon")
    assert "Name a value to change" in cli.refused("vo", "set", "lhcb")


def test_diff_shows_what_the_ce_lacks_and_exits_with_1(cli: Cli, site: Database) -> None:
    answer = cli("ce", "diff", "lyon")

    assert answer.code == 1
    assert "not in the CE's listing" in answer.out
    assert "do not agree: CE lyon: 1 difference" in answer.err
    data = json.loads(cli("ce", "diff", "lyon", "--json").out)
    assert [one["here"] for one in data["differences"]] == ["running"]
    assert "no VO of this name: nobody" in cli.refused(
        *("ce", "diff", "lyon", "--adopt", "--vo", "nobody", "--yes")
    )


def test_what_the_next_check_will_record_is_no_difference(cli: Cli, world: Database) -> None:
    options = ("--option", "queue_time=0.01", "--option", "run_time=9999")
    cli.ok("ce", "add", "bern", "--backend", "sim", "--capacity", "3", *options)
    cli.ok("task", "run", "submit_pilots")
    cli.ok("task", "run", "dispatch", "--ce", "bern")
    until(lambda: cli.json("ce", "diff", "bern")["expected"])

    quiet = cli.ok("ce", "diff", "bern")
    assert quiet.lines[0] == "CE bern and the database agree"
    assert "--all" in quiet.lines[-1]
    text = cli.ok("ce", "diff", "bern", "--all").out
    assert "the next check will record it" in text


def test_a_limit_below_the_pilots_of_now_says_what_happens(cli: Cli, site: Database) -> None:
    note = "2 pilots now, above the limit: none is ended, none is added until fewer are left"

    assert cli.ok("vo", "set", "default", "--limit", "1").lines[-1] == note
    assert "above the limit" not in cli.ok("vo", "set", "default", "--limit", "2").out


@pytest.mark.usefixtures("world")
def test_a_call_timeout_above_the_time_limit_of_a_task_is_warned_of(
    cli: Cli, tmp_path: Path
) -> None:
    file = tmp_path / "site.toml"
    file.write_text(
        '[ce.lyon]\nbackend = "sim"\ncapacity = 1\noptions = { call_timeout = 500 }\n',
        encoding="utf-8",
    )
    cli.ok("ce", "add", "lyon", *SIM, "--option", "call_timeout=140")

    for seconds, words in (
        (600, ("ce", "set", "lyon", "--option", "call_timeout=600")),
        (700, ("ce", "add", "rome", *SIM, "--option", "call_timeout=700", "--json")),
        (500, ("apply", str(file))),
    ):
        answer = cli(*words)
        assert answer.code == 0
        assert f"is {seconds} s, but a task is ended after 140 s" in answer.err
        assert all(
            line.startswith("warning: call_timeout of CE ") for line in answer.err.splitlines()
        )
    assert cli.ok("ce", "set", "lyon", "--capacity", "2").out


def test_a_vo_is_shown_with_the_last_answer_of_its_source(cli: Cli, world: Database) -> None:
    source = ("--source", "kind=command", "--source", 'command=["echo", "7"]')
    cli.ok("vo", "set", DEFAULT_VO, *source)
    cli.ok("vo", "ask", DEFAULT_VO)
    vo = cli.json("vo", "show", DEFAULT_VO)
    assert (vo["source_answer"], vo["source_problem"]) == (7, None)
    assert (vo["source_counts"], "7 more pilots" in cli.ok("vo", "show", DEFAULT_VO).out) == (
        "more",
        True,
    )
    silent_source = ("--source", "kind=command", "--source", 'command=["false"]')
    cli.ok("vo", "set", DEFAULT_VO, *silent_source)
    cli.refused("vo", "ask", DEFAULT_VO)
    assert cli.json("vo", "show", DEFAULT_VO)["source_problem"]
