"""Each pilot gets the payload of its VO, in the form for its CE."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.expectations import refused
from tests.factories import a_ce
from tests.services.world import Fake, World
from worker.db import payloads as store
from worker.domain.ce_answers import Order, Receipt
from worker.domain.errors import Invalid, UnknownCE, UnknownVO
from worker.domain.payload import Payload, read
from worker.domain.vo import DEFAULT_VO
from worker.services import payloads
from worker.services.tasks.dispatch import dispatch

TOLD = {
    "script": "run @{queue}\n",
    "arguments": ["@{stamp}", "@{vo}@@{ce}", "@{tags}"],
    "variables": {"queue": {"default": "short"}},
    "at": {"lyon": {"queue": "long"}},
}


class Listening(Fake):
    def submit(self, orders: Sequence[Order]) -> Sequence[Receipt]:
        self.orders = {order.stamp: order for order in orders}
        return super().submit(orders)


def test_each_pilot_takes_what_its_vo_runs_at_this_ce(world: World) -> None:
    ce = world.ce(a_ce().named("lyon").tagged("eu", "gpu"))
    rome = world.ce(a_ce().named("rome"))
    other = world.vo()
    payloads.set_(world.runtime(), DEFAULT_VO, read(TOLD))
    stamps = {world.pilot(one).stamp for one in world.reserve(ce, 2)}
    theirs = {world.pilot(one).stamp for one in world.reserve(ce, 1, other.name)}
    driver = Listening()
    dispatch(world.with_driver(driver), ce.name)

    assert {driver.orders[stamp].script for stamp in stamps} == {"run long\n"}
    for stamp in stamps:
        assert driver.orders[stamp].arguments == (stamp, "default@{ce}", "eu,gpu")
    for stamp in theirs:
        assert (driver.orders[stamp].script, driver.orders[stamp].arguments) == (None, ())
    world.reserve(rome, 1)
    dispatch(world.with_driver(driver), rome.name)
    [order] = driver.orders.values()
    assert order.script == "run short\n"


def test_a_payload_that_cannot_be_read_stops_its_vo_alone(world: World) -> None:
    ce, other = world.ce(), world.vo()
    world.change(lambda tx: store.put(tx, other.name, {"script": "@{gone}"}))
    world.reserve(ce, 2)
    world.reserve(ce, 1, other.name)
    result = dispatch(world.runtime(), ce.name)

    assert result.counts["submitted"] == 2
    [line] = result.lines
    assert line.startswith(f"the payload of VO {other.name} cannot be used")
    assert world.statuses() == {"submitted": 2, "reserved": 1}


def test_a_payload_is_set_shown_and_taken_away(world: World) -> None:
    world.ce(a_ce().named("lyon").tagged("eu"))
    payloads.set_(world.runtime(), DEFAULT_VO, read(TOLD))

    assert payloads.show(world.runtime(), DEFAULT_VO)["at"] == {"lyon": {"queue": "long"}}
    assert payloads.show(world.runtime(), DEFAULT_VO, ce="lyon") == {
        "script": "run long\n",
        "arguments": ["@{stamp}", "default@{ce}", "eu"],
        "variables": {"queue": "long"},
    }
    payloads.clear(world.runtime(), DEFAULT_VO)
    assert payloads.show(world.runtime(), DEFAULT_VO) == {}


def test_unknown_names_are_refused_when_it_is_set(world: World) -> None:
    world.ce(a_ce().named("lion"))
    with refused(UnknownCE, "lyon: did you mean 'lion'?"):
        payloads.set_(world.runtime(), DEFAULT_VO, read(TOLD))
    with refused(UnknownVO, "nobody"):
        payloads.set_(world.runtime(), "nobody", Payload(script="x"))
    assert payloads.show(world.runtime(), DEFAULT_VO) == {}


def test_a_script_is_read_from_beside_its_file(tmp_path: Path) -> None:
    (tmp_path / "pilot.sh").write_bytes(b"#!/bin/sh\r\necho caf\xc3\xa9\n")
    (tmp_path / "p.toml").write_text('script = "pilot.sh"\n', encoding="utf-8")

    assert payloads.read_file(tmp_path / "p.toml").script == "#!/bin/sh\r\necho café\n"
    (tmp_path / "q.toml").write_text('script_text = "echo"\n', encoding="utf-8")
    assert payloads.read_file(tmp_path / "q.toml").script == "echo"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("script = 'missing.sh'", "missing.sh: no such file"),
        ("script = 3", "payload: script: it must be text"),
        ("", "it needs a script, the name of a file, or a script_text"),
        ("script = 'a'\nscript_text = 'b'", "it needs a script"),
        ("scrpt = 'a'", "did you mean 'script'?"),
        ("script", "it is not TOML"),
        ("script = 'binary'", "it is not text"),
        ("script = 'long'", "longer than"),
    ],
)
def test_a_file_that_cannot_be_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "long").write_text("x" * 300_000, encoding="utf-8")
    with refused(Invalid, message):
        payloads.read_file(tmp_path / "p.toml")


PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "payload.md"
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_the_page_has_an_example_of_what_a_pilot_says_by_its_exit_code() -> None:
    assert [example for example in EXAMPLES if "[exit_codes]" in example] != []


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_page_is_a_payload_that_can_be_set(
    world: World, tmp_path: Path, example: str
) -> None:
    world.ce(a_ce().named("lyon"))
    (tmp_path / "pilot.sh").write_text("#!/bin/sh\necho @{stamp}\n", encoding="utf-8")
    (tmp_path / "pilot.toml").write_text(example, encoding="utf-8")
    payload = payloads.read_file(tmp_path / "pilot.toml")
    payloads.set_(world.runtime(), DEFAULT_VO, payload)

    fields = payloads.show(world.runtime(), DEFAULT_VO)
    assert fields.get("useful_after") == payload.useful_after
    assert fields.get("exit_codes", {}) == payload.exit_codes
