"""DiracX's own client against a server of Pilotage: a process of its own, and a real database."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from diracx.client.models import PilotMetadata
from diracx.client.sync import SyncDiracClient
from diracx.core.preferences import DiracxPreferences

from tests.factories import a_ce, a_pilot, a_vo
from tests.services.world import World
from tests.web.server import serving
from worker.db import mover
from worker.db.database import Database
from worker.domain.access import Role
from worker.domain.dirac import COLUMNS, MOST_CONDITIONS, MOST_VALUES
from worker.domain.pilot import Cause, Move, Status
from worker.services.operate import tokens

pytestmark = pytest.mark.processes

LATER = 4_000_000_000
"""Seconds since 1970."""


@dataclass
class Answer:
    """The rows, the status and the part of the list in the answer to a request."""

    rows: list[dict[str, Any]]
    status: int
    part: str | None

    @classmethod
    def of(cls, pipeline: Any, rows: list[dict[str, Any]], headers: Any) -> "Answer":
        """Make an answer instead of DiracX's own client, which keeps the rows only."""
        status = pipeline.http_response.status_code
        return cls(rows, status, pipeline.http_response.headers.get("Content-Range"))


@dataclass
class Server:
    """A server, and the clients of DiracX that use it."""

    world: World
    url: str
    folder: Path

    def token(self, role: Role, vo: str | None = None) -> str:
        runtime = self.world.runtime(now=lambda: datetime.now(UTC))
        return tokens.create(runtime, uuid4().hex, role, vo).secret

    @contextmanager
    def client(self, role: Role = Role.OPERATE, vo: str | None = None) -> Iterator[Any]:
        """Open DiracX's client with a file of credentials."""
        path = self.folder / f"{uuid4().hex}.json"
        secret = self.token(role, vo)
        credentials = {"access_token": secret, "refresh_token": None, "expires_on": LATER}
        path.write_text(json.dumps(credentials))
        preferences = DiracxPreferences(url=self.url, credentials_path=path)  # type: ignore[arg-type]
        with SyncDiracClient(diracx_preferences=preferences, retry_total=0) as client:
            yield client.pilots


@pytest.fixture
def server(database: Database, tmp_path: Path) -> Iterator[Server]:
    world = World(database, tmp_path / "home")
    world.vo(a_vo().named("lhcb"))
    world.vo(a_vo().named("atlas"))
    world.ce(a_ce().named("ce.example.org").with_capacity(5))
    with serving(database, world.home) as process:
        yield Server(world, process.url, tmp_path)


def a_registration(**more: str) -> dict[str, str]:
    return {
        "pilot_stamp": uuid4().hex,
        "vo": "lhcb",
        "destination_site": "ce.example.org",
        **more,
    }


def by_stamp(stamp: str) -> list[dict[str, str]]:
    return [{"parameter": "PilotStamp", "operator": "eq", "value": stamp}]


def of(column: str, operator: str, value: Any) -> dict[str, Any]:
    name = "values" if isinstance(value, list) else "value"
    return {"parameter": column, "operator": operator, name: value}


@contextmanager
def refusal(status: int, *words: str, part: str | None = None) -> Iterator[None]:
    """Expect an error as DiracX's client shows it: its status, and a problem document."""
    with pytest.raises(HttpResponseError) as error:
        yield
    response: Any = error.value.response
    assert error.value.status_code == status
    assert response is not None
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers.get("Content-Range") == part
    for word in words:
        assert word in response.json()["detail"]


def test_a_registered_pilot_holds_a_slot_until_its_ce_says_otherwise(server: Server) -> None:
    new = a_registration(pilot_reference="123.0", grid_site="LCG.Example.org")
    with server.client(vo="lhcb") as pilots:
        assert pilots.register_pilot(**new) is None
        [row] = pilots.search(search=by_stamp(new["pilot_stamp"]))
        with pytest.raises(ResourceExistsError) as twice:
            pilots.register_pilot(**new)

    assert tuple(row) == COLUMNS
    assert row["PilotStamp"] == row["PilotJobReference"] == new["pilot_stamp"]
    assert (row["VO"], row["DestinationSite"]) == ("lhcb", "ce.example.org")
    assert (row["Status"], row["GridSite"], row["GridType"]) == ("Submitted", "Unknown", "DIRAC")
    assert "registered by" in row["StatusReason"]
    assert twice.value.status_code == 409
    [pilot] = server.world.pilots()
    assert pilot.status is Status.SUBMITTING
    assert pilot.handle is None
    assert [step.became for step in server.world.history(pilot.id)] == ["reserved", "submitting"]


def test_a_registration_that_cannot_be_kept_is_refused(server: Server) -> None:
    with server.client(vo="lhcb") as pilots:
        with refusal(403, "atlas"):
            pilots.register_pilot(**a_registration(vo="atlas"))
        with refusal(400, "ce.example.org"):
            pilots.register_pilot(**a_registration(destination_site="ce.example.com"))
        with refusal(400, "NotAssigned"):
            pilots.register_pilot(pilot_stamp=uuid4().hex, vo="lhcb")
        with refusal(422, "32 hexadecimal"):
            pilots.register_pilot(**a_registration(pilot_stamp="pilot-7"))
        with refusal(422, "register it before"):
            pilots.register_pilot(**a_registration(pilot_status="Done"))
        with refusal(422):
            pilots.register_pilot(**a_registration(vo=""))
        for _ in range(5):
            pilots.register_pilot(**a_registration())
        with refusal(409, "No slot is free"):
            pilots.register_pilot(**a_registration())
    with server.client() as pilots, refusal(400, "lhbc"):
        pilots.register_pilot(**a_registration(vo="lhbc"))
    with server.client(Role.READ) as pilots, refusal(403):
        pilots.register_pilot(**a_registration())
    assert len(server.world.pilots()) == 5


def test_reports_are_taken_where_they_are_safe(server: Server) -> None:
    world = server.world
    on = a_pilot().on(world.ce(a_ce().named("other").with_capacity(50)))
    first, second, third = (
        world.make(on.that_is(status))[0]
        for status in (Status.SUBMITTED, Status.LOST, Status.RUNNING)
    )
    with server.client() as pilots:
        pilots.update_pilot_metadata(
            {
                first.stamp: PilotMetadata(status="Running", status_reason="it said so"),
                second.stamp: PilotMetadata(status="Done"),
                third.stamp: PilotMetadata(status_reason="busy", destination_site="other"),
            }
        )
        rows = pilots.search(
            parameters=["Status", "StatusReason"],
            sort=[{"parameter": "PilotID", "direction": "asc"}],
        )
    assert rows[0] == {"Status": "Running", "StatusReason": "it said so"}
    assert rows[1]["Status"] == "Done"
    assert rows[2] == {"Status": "Running", "StatusReason": "busy"}
    assert world.history(first.id)[-1].became is Status.RUNNING


def test_a_report_is_taken_as_a_whole_or_not_at_all(server: Server) -> None:
    world = server.world
    place = world.ce(a_ce().named("other").with_capacity(50))
    of_lhcb, of_default = world.make(a_pilot().on(place).for_vo(a_vo().named("lhcb").vo), 2)
    [of_atlas] = world.make(a_pilot().on(place).for_vo(a_vo().named("atlas").vo))
    good = {of_lhcb.stamp: PilotMetadata(status="Running")}
    with server.client(vo="lhcb") as pilots:
        with pytest.raises(ResourceNotFoundError) as error:
            pilots.update_pilot_metadata({**good, "f" * 32: PilotMetadata(status="Running")})
        with refusal(403):
            pilots.update_pilot_metadata({**good, of_atlas.stamp: PilotMetadata(status="Running")})
        with refusal(409, "only its CE can report"):
            pilots.update_pilot_metadata({**good, of_default.stamp: PilotMetadata(status="Done")})
        with refusal(409, "cancel_named"):
            pilots.update_pilot_metadata({of_default.stamp: PilotMetadata(status="Deleted")})
        with refusal(422, "Queue"):
            pilots.update_pilot_metadata({of_default.stamp: PilotMetadata(queue="long")})
        with refusal(422, "DestinationSite"):
            pilots.update_pilot_metadata({of_default.stamp: PilotMetadata(destination_site="x")})
        with refusal(422):
            pilots.update_pilot_metadata(_body({of_default.stamp: {"Color": "red"}}))
    assert error.value.status_code == 404
    assert {pilot.status for pilot in world.pilots()} == {Status.SUBMITTED}


def _body(value: Any) -> Any:
    return BytesIO(json.dumps(value).encode())


@pytest.fixture
def crowded(server: Server) -> Server:
    """A server with 12 pilots at two CEs."""
    world = server.world
    lhcb, atlas = a_vo().named("lhcb").vo, a_vo().named("atlas").vo
    one = world.ce(a_ce().named("one").with_capacity(50))
    two = world.ce(a_ce().named("two").with_capacity(50))
    world.make(a_pilot().on(one).for_vo(lhcb).that_is(Status.RUNNING), 5)
    world.make(a_pilot().on(two).for_vo(lhcb).that_is(Status.DONE), 3)
    world.make(a_pilot().on(two).for_vo(atlas).that_is(Status.FAILED), 2)
    for pilot in world.make(a_pilot().on(two).for_vo(atlas).that_is(Status.SUBMITTED)):
        _fail(world, pilot.id)
    world.make(a_pilot().on(one).for_vo(atlas).that_is(Status.LOST))
    return server


def _fail(world: World, pilot_id: int) -> None:
    end = Move(pilot_id=pilot_id, to=Status.FAILED, cause=Cause.NEVER_STARTED)
    world.change(lambda tx: mover.move(tx, [end], world.now()))


def test_a_list_comes_in_pages(crowded: Server) -> None:
    newest = [{"parameter": "PilotID", "direction": "desc"}]
    with crowded.client(Role.READ) as pilots:
        whole = pilots.search(sort=newest, cls=Answer.of)
        parts = [
            pilots.search(sort=newest, page=page, per_page=5, cls=Answer.of) for page in (1, 2, 3)
        ]
        with refusal(416, "12 pilots", part="pilots */12"):
            pilots.search(page=4, per_page=5)
        with refusal(416, part="pilots */12"):
            pilots.search(page=10**9, per_page=5)
        by_hand = pilots.search(
            search=[of("VO", "eq", "lhcb")], parameters=["PilotID"], per_page=3, cls=Answer.of
        )
    assert (whole.status, whole.part, len(whole.rows)) == (200, None, 12)
    assert [part.status for part in parts] == [206, 206, 206]
    assert [part.part for part in parts] == [
        "pilots 0-4/12",
        "pilots 5-9/12",
        "pilots 10-11/12",
    ]
    assert [row for part in parts for row in part.rows] == whole.rows
    assert (by_hand.part, len(by_hand.rows)) == ("pilots 0-2/8", 3)


CONDITIONS: list[tuple[list[dict[str, Any]], int]] = [
    ([], 12),
    ([of("Status", "eq", "Running")], 5),
    ([of("Status", "neq", "Running")], 7),
    ([of("Status", "eq", "Failed")], 2),
    ([of("Status", "eq", "Aborted")], 2),
    ([of("Status", "in", ["Aborted", "Failed"])], 4),
    ([of("Status", "not in", ["Aborted", "Failed"])], 8),
    ([of("Status", "eq", "Unknown")], 0),
    ([of("VO", "eq", "lhcb"), of("DestinationSite", "eq", "two")], 3),
    ([of("VO", "like", "A%")], 4),
    ([of("VO", "not like", "a%"), of("Status", "eq", "Done")], 3),
    ([of("VO", "in", ["nobody"])], 0),
    ([of("GridType", "eq", "DIRAC")], 12),
    ([of("AccountingSent", "neq", "False")], 0),
    ([of("PilotID", "gt", 0), of("PilotID", "lt", "99999999")], 12),
    ([of("PilotID", "in", [])], 0),
    ([of("PilotStamp", "in", ["a" * 32, "nothing"])], 0),
    ([of("PilotJobReference", "eq", "nothing")], 0),
    ([of("StatusReason", "like", "%no such words%")], 0),
    ([of("SubmissionTime", "gt", "2000-01-01")], 12),
    ([of("LastUpdateTime", "lt", "2000-01-01T00:00:00Z")], 0),
]


def test_conditions_narrow(crowded: Server) -> None:
    with crowded.client(Role.READ) as pilots:
        for conditions, number in CONDITIONS:
            _narrow(pilots, conditions, number)


def _narrow(pilots: Any, conditions: list[dict[str, Any]], number: int) -> None:
    rows = pilots.search(search=conditions)
    short = pilots.search(search=conditions, per_page=1, cls=Answer.of)
    counts = pilots.summary(grouping=["Status", "VO"], search=conditions)
    assert len(rows) == number, conditions
    assert sum(row["count"] for row in counts) == number
    assert short.part == (f"pilots 0-0/{number}" if number > 1 else None)
    for row in counts:
        same = [one for one in rows if (one["Status"], one["VO"]) == (row["Status"], row["VO"])]
        assert len(same) == row["count"]


def test_rows_are_sorted_and_cut_to_columns(crowded: Server) -> None:
    order = [
        {"parameter": "Status", "direction": "desc"},
        {"parameter": "PilotStamp", "direction": "asc"},
    ]
    with crowded.client(Role.READ) as pilots:
        rows = pilots.search(parameters=["Status", "PilotStamp", "Queue"], sort=order)
    keys = [(row["Status"], row["PilotStamp"]) for row in rows]
    by_second = sorted(keys, key=lambda key: key[1])
    assert keys == sorted(by_second, key=lambda key: key[0], reverse=True)
    assert {row["Queue"] for row in rows} == {"Unknown"}


def test_pilots_are_counted_by_groups(crowded: Server) -> None:
    with crowded.client(Role.READ) as pilots:
        by_place = pilots.summary(grouping=["DestinationSite", "Status"], search=[])
        in_all = pilots.summary(grouping=[], search=[])
        counts = pilots.summary(
            grouping=["DestinationSite"], search=[of("StatusReason", "not like", "never")]
        )
    assert in_all == [{"count": 12}]
    assert {(row["DestinationSite"], row["Status"]): row["count"] for row in by_place} == {
        ("one", "Running"): 5,
        ("two", "Done"): 3,
        ("two", "Failed"): 2,
        ("two", "Aborted"): 1,
        ("one", "Aborted"): 1,
    }
    assert {row["DestinationSite"]: row["count"] for row in counts} == {"one": 6, "two": 6}


REFUSED: list[dict[str, Any]] = [
    {"parameters": ["Color"]},
    {"sort": [{"parameter": "Color", "direction": "asc"}]},
    {"search": [of("Color", "eq", "red")]},
    {"search": [of("JobID", "eq", 7)]},
    {"search": [of("PilotStamp", "regex", "(a+)+$")]},
    {"search": [of("PilotStamp", "like", "%a" * 11)]},
    {"search": [of("PilotStamp", "like", "a\\")]},
    {"search": [of("PilotStamp", "eq", "a\0")]},
    {"search": [of("PilotID", "eq", "seven")]},
    {"search": [of("PilotID", "eq", 2**70)]},
    {"search": [of("Status", "eq", "Runing")]},
    {"search": [of("SubmissionTime", "gt", "yesterday")]},
    {"search": [of("PilotID", "eq", 1)] * (MOST_CONDITIONS + 1)},
    {"search": [of("PilotID", "in", [1] * (MOST_VALUES + 1))]},
    {"search": [of("PilotID", "in", [1] * MOST_VALUES)] * 11},
]


def test_a_search_that_cannot_be_done_is_refused(server: Server) -> None:
    with server.client(Role.READ) as pilots:
        for criteria in REFUSED:
            with refusal(422):
                pilots.search(**criteria)
    _refuse_who_is_not_known(server)


def _refuse_who_is_not_known(server: Server) -> None:
    nowhere = server.folder / "nowhere.json"
    preferences = DiracxPreferences(url=server.url, credentials_path=nowhere)  # type: ignore[arg-type]
    with (
        SyncDiracClient(diracx_preferences=preferences) as client,
        pytest.raises(ClientAuthenticationError),
    ):
        client.pilots.search()
