"""Descriptions of jobs: no value in them becomes another element or another command."""

import shlex
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from worker.backends.arc.description import (
    LARGEST_BODY,
    LONGEST_ARGUMENT,
    OUTPUT,
    SCRIPT,
    Description,
    bodies,
    describe,
    program,
)
from worker.backends.arc.options import ArcOptions
from worker.domain.ce_answers import Order

STAMP = "0123456789abcdef" * 2
HOSTILE = "a'b\"c $HOME `touch broken` ; & | <x> \\ \n -- \t ü"
ADL = "{http://www.eu-emi.eu/es/2010/12/adl}"
NORDUGRID = "{http://www.nordugrid.org/es/2011/12/nordugrid-adl}"


def options(**more: object) -> ArcOptions:
    return ArcOptions.model_validate({"url": "https://ce.example.org", **more})


def order(**more: object) -> Order:
    return Order(stamp=STAMP, vo="lhcb", **more)  # type: ignore[arg-type]


def element(what: Order | None = None, **more: object) -> ET.Element:
    return ET.fromstring(describe(what or order(), "ce1", "pilotage", options(**more)).xml)


def argument(description: Description) -> str:
    """Return the script as the shell of a job gets it."""
    root = ET.fromstring(description.xml)
    words = [one.text or "" for one in root.iter(f"{ADL}Argument")]
    assert words[0] == "-c"
    # A-REX writes each word in double quotes, and a second shell reads it.
    return subprocess.run(
        ["/bin/sh", "-c", f'printf %s "{words[1]}"'], check=True, capture_output=True, text=True
    ).stdout


def run(description: Description, folder: Path) -> str:
    """Run the command of a job as the CE does; return its output and exit code."""
    result = subprocess.run(
        ["/bin/sh", "-c", argument(description)],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return f"{result.stdout}{result.stderr}[{result.returncode}]"


def test_the_stamp_is_in_the_name_and_in_the_environment() -> None:
    root = element()
    assert root.findtext(f"{ADL}ActivityIdentification/{ADL}Name") == f"pilotage-{STAMP}@ce1"
    variables = {
        one.findtext(f"{ADL}Name"): one.findtext(f"{ADL}Value")
        for one in root.iter(f"{ADL}Environment")
    }
    assert variables == {"PILOTAGE_VO": "lhcb", "PILOTAGE_CE": "ce1", "PILOTAGE_STAMP": STAMP}


def test_standard_output_and_error_are_one_file_that_is_kept() -> None:
    root = element()
    application = f"{ADL}Application/{ADL}"
    assert root.findtext(f"{application}Output") == root.findtext(f"{application}Error") == OUTPUT
    assert root.findtext(f"{ADL}DataStaging/{ADL}OutputFile/{ADL}Name") == OUTPUT
    assert root.find(f"{ADL}DataStaging/{ADL}InputFile") is None


def test_what_a_pilot_may_use_is_said_as_arc_says_it() -> None:
    root = element(
        walltime=3600, memory=2000, cores=8, queue="long", runtime_environments=["ENV/PROXY"]
    )
    resources = root.find(f"{ADL}Resources")
    assert resources is not None
    assert resources.findtext(f"{ADL}WallTime") == "3600"
    assert resources.findtext(f"{ADL}IndividualPhysicalMemory") == str(2000 * 2**20)
    assert resources.findtext(f"{ADL}SlotRequirement/{ADL}NumberOfSlots") == "8"
    assert resources.findtext(f"{ADL}SlotRequirement/{ADL}SlotsPerHost") == "8"
    assert resources.findtext(f"{ADL}QueueName") == "long"
    assert resources.findtext(f"{ADL}RuntimeEnvironment/{ADL}Name") == "ENV/PROXY"
    bare = element().find(f"{ADL}Resources")
    assert bare is not None
    assert list(bare) == []


def test_a_delegation_is_named() -> None:
    xml = describe(order(), "ce1", "pilotage", options(), "b18ec938300b").xml
    delegation = ET.fromstring(xml).findtext(f"{ADL}DataStaging/{NORDUGRID}DelegationID")
    assert delegation == "b18ec938300b"


def test_hostile_text_stays_text() -> None:
    hostile = "</Name><Executable>&amp;\"'`$(x)"
    root = element(environment={"A": hostile}, queue=hostile, runtime_environments=[hostile])
    assert next(root.iter(f"{ADL}Value")).text == hostile
    assert root.findtext(f"{ADL}Resources/{ADL}QueueName") == hostile
    assert len(list(root.iter(f"{ADL}Executable"))) == 1


def test_a_line_of_the_options_is_run_as_it_stands(tmp_path: Path) -> None:
    line = "x='a b'; echo \"$x\" `echo c` \\\\ ; echo 'two\nlines'; exit 3"
    description = describe(order(), "ce1", "pilotage", options(command=line))
    assert run(description, tmp_path) == "a b c \\\ntwo\nlines\n[3]"


def test_a_program_of_the_options_gets_its_words(tmp_path: Path) -> None:
    command = ["/usr/bin/printf", "[%s]", HOSTILE, "", "--"]
    description = describe(order(), "ce1", "pilotage", options(command=command))
    assert run(description, tmp_path) == f"[{HOSTILE}][][--][0]"
    assert not (tmp_path / "broken").exists()


def test_a_payload_for_the_shell_gets_its_arguments(tmp_path: Path) -> None:
    script = '# no first line that says who reads it\nprintf \'[%s]\' "$#" "$@"\nexit 4\n'
    description = describe(
        order(script=script, arguments=[HOSTILE, "", "END"]), "ce1", "pilotage", options()
    )
    assert run(description, tmp_path) == f"[3][{HOSTILE}][][END][4]"
    assert not (tmp_path / "broken").exists()


def test_a_payload_of_another_language(tmp_path: Path) -> None:
    script = "#!/usr/bin/perl\nprint \"perl '$ARGV[0]'\\n\"; exit 5;\n"
    description = describe(order(script=script, arguments=["a b"]), "ce1", "pilotage", options())
    assert run(description, tmp_path) == "perl 'a b'\n[5]"


def test_a_payload_that_would_end_its_own_frame(tmp_path: Path) -> None:
    script = "echo one\nEND\necho two\n"
    description = describe(order(script=script), "ce1", "pilotage", options())
    assert run(description, tmp_path).startswith("one\n")
    assert "two" in run(description, tmp_path)


def test_a_zero_byte_is_refused() -> None:
    for bad in ({"script": "a\0"}, {"script": "a", "arguments": ["\0"]}):
        with pytest.raises(ValueError, match="zero byte"):
            describe(order(**bad), "ce1", "pilotage", options())


def test_a_long_script_is_uploaded() -> None:
    script = "#" + "x" * LONGEST_ARGUMENT
    description = describe(order(script=script), "ce1", "pilotage", options())
    root = ET.fromstring(description.xml)
    assert description.upload == program(order(script=script), options()).encode()
    assert [one.text for one in root.iter(f"{ADL}Argument")] == [SCRIPT]
    assert root.findtext(f"{ADL}DataStaging/{ADL}InputFile/{ADL}Name") == SCRIPT


def test_no_word_of_a_job_is_too_long_for_the_kernel() -> None:
    longest = LONGEST_ARGUMENT * 3 // 4
    script = "#" * (longest - 2)
    description = describe(order(), "ce1", "pilotage", options(command=script))
    assert description.upload is None
    words = [one.text or "" for one in ET.fromstring(description.xml).iter(f"{ADL}Argument")]
    assert max(map(len, words)) < 128 * 1024
    assert shlex.quote(words[1]) == f"'{words[1]}'"


def test_descriptions_are_shared_out_among_requests() -> None:
    descriptions = [describe(order(), "ce1", "pilotage", options()) for _ in range(5)]
    requests = list(bodies(descriptions, most=2))
    assert [len(some) for some, _ in requests] == [2, 2, 1]
    assert [one for some, _ in requests for one in some] == descriptions
    root = ET.fromstring(requests[0][1])
    assert [one.tag for one in root] == [f"{ADL}ActivityDescription"] * 2


def test_no_request_is_too_large() -> None:
    large = Description(order=order(), xml=b"x" * (LARGEST_BODY // 2 + 1))
    assert [len(some) for some, _ in bodies([large] * 3, most=100)] == [1, 1, 1]
    assert list(bodies([], most=100)) == []
