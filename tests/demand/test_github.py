"""The jobs of a runner scale set, from a server that speaks the protocol of GitHub."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.expectations import refused
from tests.recipes.scale_set import TOKEN, ScaleSet, Session, serving
from tests.redis_server import free_port
from tests.secrets import write
from worker.demand import registry
from worker.demand.github import GithubOptions
from worker.demand.scale_set import ScaleSetClient
from worker.domain.demand import DemandCounts
from worker.domain.errors import DemandUnknown, Invalid

NOT_SHOWN = ("queue-of", TOKEN)


@pytest.fixture
def scale_set() -> ScaleSet:
    return ScaleSet(faulty=False)


@pytest.fixture
def source(scale_set: ScaleSet, tmp_path: Path) -> Iterator[dict[str, Any]]:
    with serving(scale_set) as address:
        yield {
            "kind": "github",
            "url": f"{address}/api",
            "runners_of": "https://github.com/octo",
            "scale_set": 7,
            "token_file": str(write(tmp_path / "token", TOKEN)),
            "listen": 0.4,
            "timeout": 20,
        }


def test_the_jobs_that_are_offered_are_taken_and_counted_until_they_are_done(
    scale_set: ScaleSet, source: dict[str, Any]
) -> None:
    assert registry.ask("ci", source) == 0
    scale_set.offer(3)
    registry.ask("ci", source)
    assert scale_set.count("assigned") == 3
    assert registry.ask("ci", source) == 3
    assert not scale_set.messages
    assert scale_set.session is None
    scale_set.jobs[1].state = "done"
    assert registry.ask("ci", source) == 2


def test_no_more_jobs_are_taken_than_there_may_be(
    scale_set: ScaleSet, source: dict[str, Any]
) -> None:
    scale_set.offer(5)
    registry.ask("ci", {**source, "most": 2})
    assert scale_set.count("assigned") == 2


@pytest.mark.slow
def test_old_tokens_lost_sessions_and_messages_that_come_again_change_nothing(
    scale_set: ScaleSet, source: dict[str, Any]
) -> None:
    scale_set.faulty = True
    scale_set.offer(4)
    failures = 0
    for _ in range(10):
        try:
            registry.ask("ci", source)
        except DemandUnknown:
            failures += 1
    assert failures == scale_set.notes["lost"] == 2
    assert scale_set.notes["renewed"] >= 2
    assert scale_set.notes["repeated"] >= 1
    assert scale_set.count("assigned") == 4
    assert scale_set.session is None


def test_while_another_session_holds_the_set_the_demand_is_not_known(
    scale_set: ScaleSet, source: dict[str, Any]
) -> None:
    scale_set.forget_after = 1e9
    scale_set.session = Session("other", "queue-of-other", 1e9)
    with refused(DemandUnknown, "another session holds the scale set", never=TOKEN):
        registry.ask("ci", source)
    assert scale_set.session.key == "other"


def test_a_wrong_token_is_said_and_not_shown(source: dict[str, Any], tmp_path: Path) -> None:
    wrong = {**source, "token_file": str(write(tmp_path / "wrong", "not-this-one"))}
    message = "it answered 401: it does not accept the token"
    with refused(DemandUnknown, message, never="not-this-one"):
        registry.ask("ci", wrong)


def test_what_is_not_there_is_said_in_words(source: dict[str, Any]) -> None:
    with refused(DemandUnknown, "it answered 404: it has no scale set 8"):
        registry.ask("ci", {**source, "scale_set": 8})
    others = "https://github.com/others"
    with refused(DemandUnknown, f"404: its token may not administer the runners of {others}"):
        registry.ask("ci", {**source, "runners_of": others})


def test_nobody_who_answers_is_said_in_words(source: dict[str, Any]) -> None:
    with refused(DemandUnknown, "127.0.0.1: the connection was refused"):
        registry.ask("ci", {**source, "url": f"http://127.0.0.1:{free_port()}/api"})
    with refused(DemandUnknown, "nowhere.invalid: the name of the host is unknown"):
        registry.ask("ci", {**source, "url": "https://nowhere.invalid/api"})


def test_a_token_that_everybody_may_read_is_not_used(source: dict[str, Any]) -> None:
    file = Path(source["token_file"])
    file.chmod(0o640)  # a service may read a file of root through its group
    assert registry.ask("ci", source) == 0
    file.chmod(0o644)
    with refused(DemandUnknown, "everybody on this machine may read it: chmod o-r", never=TOKEN):
        registry.ask("ci", source)


def test_a_runner_has_one_configuration(scale_set: ScaleSet, source: dict[str, Any]) -> None:
    options = registry.check(source)[1]
    assert isinstance(options, GithubOptions)
    assert options.counts is DemandCounts.JOBS
    assert ScaleSetClient(options).runner("first") == "config-of-first"
    assert ScaleSetClient(options).runner("first") is None
    assert list(scale_set.runners) == ["first"]


@pytest.mark.parametrize(
    "change",
    [
        {"runners_of": "https://github.com"},
        {"runners_of": "https://github.com/a/b/c"},
        {"runners_of": "octo"},
        {"listen": 30, "timeout": 20},
        {"url": "http://api.example.org"},
        {"scale_set": 0},
    ],
)
def test_what_cannot_be_asked_is_refused(source: dict[str, Any], change: dict[str, Any]) -> None:
    with refused(Invalid):
        registry.check_new({**source, **change})


@pytest.mark.parametrize(
    "statistics", [None, [], {}, {"totalAssignedJobs": -1}, {"totalAssignedJobs": "3"}]
)
def test_an_answer_without_a_number_is_no_demand(
    source: dict[str, Any], statistics: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.recipes.scale_set.statistics", lambda scale_set: statistics)
    with refused(DemandUnknown, "its answer has no"):
        registry.ask("ci", source)


def test_no_token_goes_to_an_address_that_others_can_read(
    source: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tests.recipes.scale_set.Handler._session",
        lambda self, session: {
            "sessionId": session.key,
            "messageQueueUrl": "http://example.org/queue",
            "messageQueueAccessToken": session.token,
            "statistics": {"totalAssignedJobs": 1},
        },
    )
    with refused(DemandUnknown, "is not safe for a token", never="queue-of"):
        registry.ask("ci", source)
