"""A payload: a template that is checked when it is set; its values are never code."""

import subprocess
from typing import Any

import pytest

from tests.expectations import refused
from worker.domain.errors import Invalid
from worker.domain.payload import SYSTEM, Payload, plain, read
from worker.domain.pilot import ExitMeaning
from worker.domain.template import complete, fill, is_plain, names_in

STAMP = "a" * 24 + "00000001"
TOLD: dict[str, Any] = {
    "script": "#!/bin/sh\nrun --vo @{vo} --queue @{queue} ${HOME} @@{queue} {x} 100%\n",
    "arguments": ["--name", "@{stamp}.@{ce}", "@{tags}", "@{cores}/@{share}/@{debug}", "@{note}"],
    "variables": {
        "queue": {"default": "short", "choices": ["short", "long"]},
        "cores": {"type": "whole", "default": 1, "least": 1, "most": 64},
        "share": {"type": "number", "default": 0.5},
        "debug": {"type": "flag", "default": False},
        "note": {"type": "text", "default": 'it\'s $(a) `b` "c"'},
    },
    "at": {"ce01": {"queue": "long", "cores": 8, "debug": True}},
}
PLAIN = "echo"
HOSTILE = [
    *("a b", "a;b", "$(reboot)", "`id`", "'", '"', "a\\", "*", "?", "~", "#", "&", "|", ">"),
    *("{a,b}", "[a]", "!x", "é", "$IFS", "(a)"),
]


def variant(**changes: Any) -> dict[str, Any]:
    return {**TOLD, **changes}


def with_variable(name: str = "x", script: str = PLAIN, **variable: Any) -> dict[str, Any]:
    return {"script": script, "variables": {name: variable}}


def at(payload: Payload, ce: str) -> tuple[str, tuple[str, ...]]:
    payload_at_ce = payload.fitted(vo="lhcb", ce=ce, backend="slurm", tags=("eu", "gpu"))
    return payload_at_ce.for_pilot(STAMP)


def test_values_stand_in_their_places() -> None:
    script, arguments = at(read(TOLD), "ce02")

    assert script == "#!/bin/sh\nrun --vo lhcb --queue short ${HOME} @{queue} {x} 100%\n"
    assert arguments == (
        *("--name", f"{STAMP}.ce02", "eu,gpu", "1/0.5/false"),
        'it\'s $(a) `b` "c"',
    )


def test_a_ce_may_have_values_of_its_own() -> None:
    script, arguments = at(read(TOLD), "ce01")

    assert "--queue long" in script
    assert arguments[3] == "8/0.5/true"


def test_plain_values_are_read_back_as_they_were_written() -> None:
    payload = read(TOLD)

    assert read(plain(payload)) == payload
    assert plain(read(plain(payload))) == plain(payload)


def test_a_script_without_a_stamp_is_the_same_text_for_all_pilots() -> None:
    payload_at_ce = read(TOLD).fitted(vo="lhcb", ce="ce01", backend="slurm", tags=())

    assert payload_at_ce.for_pilot("1")[0] is payload_at_ce.for_pilot("2")[0]
    assert payload_at_ce.for_pilot("1")[1] != payload_at_ce.for_pilot("2")[1]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("place", ["@{x}", "'@{x}'", '"@{x}"', "# @{x}", "$(echo @{x})"])
def test_a_value_that_a_shell_could_read_never_enters_a_script(value: str, place: str) -> None:
    with refused(Invalid, "cannot be put into the script"):
        read(with_variable(script=f"echo {place}", default=value))
    values = with_variable(script=f"echo {place}", default="a")
    with refused(Invalid, "cannot be put into the script"):
        read({**values, "at": {"ce01": {"x": value}}})


def test_what_may_enter_a_script_is_nothing_but_itself_to_a_shell() -> None:
    value = "Az09_@%+=:,./-"
    assert is_plain(value)
    script = "printf '%s\\n' x@{x} 'x@{x}' \"x@{x}\" # @{x}\ncat <<.\nx@{x}\n.\n"
    body, _ = at(read(with_variable(script=script, default=value)), "ce01")
    process = subprocess.run(["/bin/sh", "-c", body], capture_output=True, text=True, check=True)

    assert process.stdout.splitlines() == [f"x{value}"] * 4


@pytest.mark.parametrize("value", HOSTILE)
def test_an_argument_is_one_word_whatever_it_holds(value: str) -> None:
    values = {**with_variable(default=value), "arguments": ["--x=@{x}"]}

    assert at(read(values), "ce01")[1] == (f"--x={value}",)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "payload: script: it must be given"),
    "an empty script": (variant(script=" \n"), "script: it is empty"),
    "a zero byte": (variant(script="a\0"), "zero byte"),
    "half a character": (variant(script="\ud800"), "script: it is not text"),
    "a huge script": (variant(script="x" * 300_000), "longer than 262144 bytes"),
    "an unknown key": (variant(argument=["x"]), "did you mean 'arguments'?"),
    "an unknown variable": (variant(script="@{quue}"), "did you mean 'queue'?"),
    "an unknown variable in an argument": (variant(arguments=["@{Stamp}"]), "'@{Stamp}'"),
    "a variable without a name": (variant(script="@{}"), "unknown variable '@{}'"),
    "arguments as a text": (variant(arguments="a b"), "arguments: it must be a list"),
    "a number as an argument": (variant(arguments=[1]), "arguments.0: it must be text"),
    "a line break in an argument": (variant(arguments=["a\nb"]), "not one line of text"),
    "too many arguments": (variant(arguments=["a"] * 201), "arguments: there are more than 200"),
    "a system variable of one's own": (with_variable("stamp", default="x"), "the system itself"),
    "a name in capitals": (with_variable("Queue", default="x"), "small letters"),
    "no default": (with_variable(type="text"), "default: it must be given"),
    "an unknown type": (with_variable(type="int", default=1), "type: it must be 'text', 'whole'"),
    "a text for a number": (with_variable(type="number", default="1"), "'1' is not a number"),
    "a flag for a whole number": (
        with_variable(type="whole", default=True),
        "True is not a whole number",
    ),
    "a fraction": (with_variable(type="whole", default=1.5), "1.5 is not a whole number"),
    "no number": (with_variable(type="number", default=float("nan")), "nan is not a number"),
    "a number for a flag": (with_variable(type="flag", default=1), "1 is not true or false"),
    "two lines": (with_variable(default="a\nb"), "is not a line of text"),
    "a long text": (with_variable(default="a" * 9000), "longer than 8192"),
    "too little": (with_variable(type="whole", default=0, least=1), "0 is below 1"),
    "too much": (with_variable(type="number", default=2.5, most=2), "2.5 is above 2"),
    "a bound that is none": (with_variable(type="whole", default=0, least="1"), "least"),
    "a bound of a text": (with_variable(default="a", most=1), "neither least nor most"),
    "no choice": (with_variable(default="c", choices=["a", "b"]), "'c' is not one of a, b"),
    "a wrong choice": (with_variable(default="a", choices=["a", 1]), "1 is not a line of text"),
    "choices as a text": (with_variable(default="a", choices="abc"), "choices: it must be a list"),
    "a variable that is no table": (
        {"script": "x", "variables": {"x": 1}},
        "variables.x: it must be a table",
    ),
    "an unknown key of a variable": (with_variable(defualt="x"), "did you mean 'default'?"),
    "an unknown variable at a CE": (variant(at={"ce01": {"quue": "x"}}), "did you mean 'queue'?"),
    "a wrong value at a CE": (
        variant(at={"ce01": {"cores": 65}}),
        "payload: at.ce01.cores: 65 is above 64",
    ),
    "a system variable at a CE": (
        variant(at={"ce01": {"vo": "x"}}),
        "payload: at.ce01.vo: unknown variable",
    ),
    "a CE that is no table": (variant(at={"ce01": "long"}), "at.ce01: it must be a table"),
    "an exit code in words": (variant(exit_codes={"x": "empty"}), "'x' is not an exit code"),
    "an exit code too large": (variant(exit_codes={"256": "empty"}), "'256' is not an exit code"),
    "an unknown meaning": (variant(exit_codes={"77": "emtpy"}), "did you mean 'empty'?"),
    "exit codes as a list": (variant(exit_codes=[77]), "exit_codes: it must be a table"),
    "a life below zero": (variant(useful_after=-1), "useful_after"),
    "a life in words": (variant(useful_after="5 min"), "useful_after: it must be a number"),
}


@pytest.mark.parametrize(("values", "words"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_refused_when_it_is_set(values: dict[str, Any], words: str) -> None:
    with refused(Invalid, words):
        read(values)


def test_exit_codes_have_meanings_and_what_was_stored_without_them_stays_the_same() -> None:
    payload = read(variant(exit_codes={77: "empty", "78": "node"}, useful_after=600))
    assert payload.exit_codes == {"77": ExitMeaning.EMPTY, "78": ExitMeaning.NODE}
    assert plain(payload)["exit_codes"] == {"77": "empty", "78": "node"}
    assert plain(payload)["useful_after"] == 600
    assert plain(read(variant())).keys() == {"script", "arguments", "variables", "at"}


def test_places_are_found_and_filled() -> None:
    assert list(names_in(["@{a} @@{b} @ {c} @{d e} $@{f}", "@{g"])) == ["a", "f"]
    assert complete(fill("@{a} @@{a} @@@{a}", {}, "a"), "x") == "x @{a} @@{a}"
    assert complete(fill("@{a}-@{b}-@{a}", {"b": True}, "a"), "x") == "x-true-x"
    assert complete(fill("none", {}, "a"), "x") == "none"
    assert set(SYSTEM) == {"stamp", "vo", "ce", "backend", "tags"}
