"""The documentation says what the code does: nothing is missing, and nothing is made up."""

import re
import shlex
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import click
import pytest

import worker
from tests.databases import installed
from worker.cli.main import pilotage
from worker.db.engine import TIMEOUTS
from worker.demand import registry as sources
from worker.domain import errors
from worker.domain.pilot import LEGAL_MOVES, Cause, Status
from worker.services.tasks import catalogue
from worker.settings import Settings

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
GENERATE = ROOT / "docs" / "generate.py"
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
FORBIDDEN = {
    "unfinished": r"\b(TODO|FIXME|XXX|TBD|coming soon)\b",
    "an issue": r"(?<![&\w])#\d+\b",
    "a place of one machine": r"(?<![\w.])/(work|root|tmp|home)/",
    "American": r"\b(color(?!-scheme)|behavior|serializ|initializ|organization|canceled|catalog\b)",
}

FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
BEFORE = r"\$ |docker compose run --rm (?=pilotage )|ExecStart=|[A-Z_]+=\S+ |/opt/pilotage/bin/"
"""Text that may stand before a command."""

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


# -- the reference


def test_the_reference_is_what_the_code_says() -> None:
    process = subprocess.run(
        [sys.executable, str(GENERATE), "--check"], capture_output=True, text=True, check=False
    )

    assert process.stdout + process.stderr == ""
    assert process.returncode == 0


@pytest.mark.slow
def test_a_page_that_is_out_of_date_is_named(tmp_path: Path) -> None:
    generator = _generator(tmp_path)
    assert generator.main([]) == 0
    (tmp_path / "reference" / "tasks.md").write_text("other", encoding="utf-8")
    (tmp_path / "reference" / "old.md").touch()

    assert [path.name for path, _ in generator._stale()] == ["tasks.md", "old.md"]
    assert generator.main(["--check"]) == 1
    assert generator.main([]) == 0
    assert generator.main(["--check"]) == 0


@pytest.mark.slow
def test_a_part_of_a_page_is_written_anew_between_its_marks(tmp_path: Path) -> None:
    generator = _generator(tmp_path)
    page = tmp_path / "page.md"
    marks = ("<!-- rooms: written by docs/generate.py -->", "<!-- end of rooms -->")
    page.write_text("before\n{}\nold\n{}\nafter\n".format(*marks), encoding="utf-8")
    generator.PARTS = {page: {"rooms": lambda: "new"}}

    assert generator.main([]) == 0
    assert read(page) == "before\n{}\n\nnew\n\n{}\nafter\n".format(*marks)
    page.write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="marks of the part rooms"):
        generator.main([])


def test_the_map_of_the_layers_is_that_of_the_folders_and_of_the_contract() -> None:
    code = ROOT / "worker"
    text = str(worker.__doc__)
    layers = re.findall(r"^ {4}([a-z]+(?:, [a-z]+)*)  ", text, re.MULTILINE)
    contracts = tomllib.loads(read(ROOT / "pyproject.toml"))["tool"]["importlinter"]["contracts"]
    folders = {path.parent.name for path in code.glob("*/__init__.py")}
    modules = {path.stem for path in code.glob("*.py") if not path.stem.startswith("_")}

    assert layers == [layer.replace(" | ", ", ") for layer in contracts[0]["layers"]]
    assert set(", ".join(layers).split(", ")) == folders | modules


def test_the_files_with_which_to_begin_exist() -> None:
    files = re.findall(r"^ {4}(\S+\.py)  ", str(worker.__doc__), re.MULTILINE)

    assert len(files) > 5
    assert [name for name in files if not (ROOT / "worker" / name).is_file()] == []


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_is_described(name: str) -> None:
    [row] = [row for row in read(REFERENCE / "settings.md").splitlines() if f"| `{name}` |" in row]

    assert f"`PILOTAGE_{name.upper()}`" in row
    assert row.endswith(". |")


def test_an_option_of_a_back_end_is_described() -> None:
    options, _, _ = read(REFERENCE / "backends.md").partition("### Faults")
    rows = [row for row in options.splitlines() if row.startswith("| `")]

    assert len(rows) > 50
    assert [row for row in rows if not row.endswith(". |")] == []


@pytest.mark.parametrize("task", catalogue.BUILT_IN, ids=lambda task: task.name)
def test_a_task_is_described(task: catalogue.Task) -> None:
    page = read(REFERENCE / "tasks.md")

    assert task.about in page
    assert f"\n## {task.name}\n" in page


@pytest.mark.parametrize("word", [*Status, *Cause])
def test_a_status_or_cause_is_described(word: Status | Cause) -> None:
    assert f"| `{word}` | {word.sentence} |" in read(REFERENCE / "statuses.md")


def test_every_move_is_drawn_and_no_other() -> None:
    moves = re.findall(r"^ {4}(\w+) --> (\w+)$", read(REFERENCE / "statuses.md"), re.MULTILINE)

    assert moves == [(str(was), str(to)) for was, to in LEGAL_MOVES]


def test_every_command_is_described() -> None:
    page = read(REFERENCE / "command-line.md")

    for path, command in _all_commands(pilotage, ("pilotage",)):
        assert f"# `{' '.join(path)}`\n" in page
        for option in command.params:
            for word in option.opts if isinstance(option, click.Option) else ():
                assert word in page


def test_every_error_is_described() -> None:
    page = read(REFERENCE / "errors.md")
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]

    assert all(f"`{kind.__name__}`" in page for kind in kinds)


# -- what people wrote


@each_page
def test_its_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _without_code(read(page))):
        if not target.startswith(("https://", "http://", "mailto:")):
            file, _, heading = target.partition("#")
            linked_page = (page.parent / file).resolve() if file else page
            assert linked_page.exists(), target
            assert not heading or heading in _headings(linked_page), target


@each_page
def test_it_can_be_reached_from_the_readme(page: Path) -> None:
    assert page in _reachable(ROOT / "README.md"), "no page leads to it"


@each_page
def test_its_commands_exist(page: Path) -> None:
    for line in _quoted_commands(_blocks(read(page))):
        try:
            check_command(shlex.split(line, comments=True))
        except click.ClickException as error:
            pytest.fail(f"{line}: {error.format_message()}")


@each_page
def test_the_commands_that_it_names_exist(page: Path) -> None:
    for line in _quoted_commands(_words(read(page))):
        try:
            check_command(shlex.split(line))
        except (click.MissingParameter, click.exceptions.NoArgsIsHelpError):
            pass  # it is named, not shown
        except click.ClickException as error:
            pytest.fail(f"{line}: {error.format_message()}")


@each_page
def test_its_make_targets_exist(page: Path) -> None:
    targets = " ".join(re.findall(r"^([a-z][\w -]*):", read(ROOT / "Makefile"), re.MULTILINE))
    code = "\n".join([*_blocks(read(page)), *_words(read(page))])

    assert set(re.findall(r"^ *make ([\w-]+)", code, re.MULTILINE)) <= set(targets.split())


@each_page
def test_its_settings_exist(page: Path) -> None:
    names = {name.upper() for name in Settings.model_fields} | {"CONFIG", "STAMP", "VO", "CE"}
    names |= {"URL", "SECRET", "END"}
    names |= {"TEST_DATABASE_URL", "TEST_POSTGRESQL", "TEST_REQUIRE", "TEST_LONG"}
    names |= {"TESTBED_INSTALL", "TEST_REDIS", "TEST_REDIS_URL"}

    for name in re.findall(r"\bPILOTAGE_([A-Z_]*[A-Z])\b", read(page)):
        assert name.removesuffix("_FILE") in names, f"PILOTAGE_{name}"


@each_page
def test_it_has_one_title_and_no_word_that_does_not_belong_there(page: Path) -> None:
    text = read(page)
    titles = re.findall(r"^# ", _without_code(text), re.MULTILINE)

    assert len(titles) == 1
    for what, pattern in FORBIDDEN.items():
        match = re.search(pattern, _without_code(text) if what == "an issue" else text)
        assert not match, f"{what}: {match}"


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_says_what_was_rejected(page: Path) -> None:
    headings = re.findall(r"^## (.*)$", read(page), re.MULTILINE)

    assert headings == ["Motivation", "Decision", "Rationale", "Rejected ideas", "Open issues"]
    assert len(read(page).split()) < 750, "longer than a page"


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(page.stem[:4]) for page in DECISIONS]

    assert numbers == list(range(1, len(numbers) + 1))


def test_the_readme_names_the_two_commands() -> None:
    code = "\n".join(_blocks(read(ROOT / "README.md")))

    assert re.search(r"^make run\b", code, re.MULTILINE)
    assert re.search(r"^make test\b", code, re.MULTILINE)


RUN_BY_THE_WORKER = {"local": {"command"}, "slurm": {"programs", "ssh"}, "htcondor": {"programs"}}
"""Options that name programs of a worker's host."""


@pytest.mark.finding("M6")
def test_each_value_that_a_worker_runs_is_on_the_page_of_rights() -> None:
    page = read(ROOT / "docs" / "how-to" / "rights.md")
    section = page.partition("## Who writes to the database runs commands")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    backends = installed()

    for name, options in RUN_BY_THE_WORKER.items():
        assert options <= set(backends[name].options.model_fields)
        for option in options:
            assert any(f"`{option}`" in row and f"`{name}`" in row for row in rows), option
    for name in backends.keys() - RUN_BY_THE_WORKER.keys():
        assert not {"programs", "ssh"} & set(backends[name].options.model_fields), name
    for source in sources.discover():
        assert any("demand source" in row and f"`{source}`" in row for row in rows), source
    assert any("credential" in row for row in rows)


@pytest.mark.finding("L10")
def test_the_limits_of_a_session_are_what_the_code_says() -> None:
    seconds = [limit.removesuffix("s") for limit in TIMEOUTS.values()]
    sentence = "{} s for a statement, {} s for a lock, {} s for an idle transaction".format(
        *seconds
    )
    assert sentence in read(ROOT / "docs" / "how-to" / "deploy.md")


def test_the_changelog_begins_with_what_is_not_released() -> None:
    versions = re.findall(r"^## \[?([\w.]+)", read(ROOT / "CHANGELOG.md"), re.MULTILINE)

    assert versions[0] == "Unreleased"


# -- commands that are quoted


@pytest.mark.parametrize(
    "line", ["pilotage up --quickly", "pilotage ce", "celery -A pilotage worker -c many", "pilotge"]
)
def test_a_command_that_does_not_exist_is_found(line: str) -> None:
    with pytest.raises(click.ClickException):
        check_command(shlex.split(line))


def check_command(words: Sequence[str]) -> None:
    """Read a command line as its program would, and run nothing."""
    program, *rest = words
    if program == "pilotage":
        _parse(pilotage, program, rest, None)
    elif program == "celery":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            base, celery = import_module("celery.bin.base"), import_module("celery.bin.celery")
            app = import_module("pilotage.celery").app
            _parse(
                celery.celery,
                program,
                rest,
                None,
                base.CLIContext(app, no_color=True, workdir=None),
            )
    else:
        raise click.UsageError(f"{program} is no program of ours")


def _parse(
    command: click.Command,
    name: str,
    words: list[str],
    parent: click.Context | None,
    thing: Any = None,
) -> None:
    if "--help" in words or "--version" in words:
        words = [word for word in words if word not in ("--help", "--version")]
        if not isinstance(command, click.Group) or not words:
            return
    context = command.make_context(name, words, parent)
    context.obj = thing or context.obj
    if not isinstance(command, click.Group):
        return
    rest = [*context._protected_args, *context.args]
    if rest:
        sub_name, sub, rest = command.resolve_command(context, rest)
        assert sub is not None
        _parse(sub, str(sub_name), rest, context)


def _quoted_commands(code: Sequence[str]) -> Iterator[str]:
    """Find the lines that run one of our programs, whatever stands before it."""
    for block in code:
        for line in block.replace("\\\n", " ").splitlines():
            match = re.match(rf"(?:{BEFORE})*((?:pilotage|celery) .*)", line.strip())
            if match and "…" not in line:
                yield re.split(r"\s(?:\||>|&|2>)", match[1])[0]


def _blocks(text: str) -> list[str]:
    return re.findall(r"^ *```(?:sh|ini)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)


def _words(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", FENCED.sub("", text))


def _without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", FENCED.sub("", text))


def _headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", FENCED.sub("", read(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _reachable(page: Path) -> set[Path]:
    pages = {page}
    queue = [page]
    while queue:
        near = queue.pop()
        for target in re.findall(r"\]\(([^)\s#]+\.md)(?:#[^)]*)?\)", read(near)):
            far = (near.parent / target).resolve()
            if far.is_file() and far not in pages:
                pages.add(far)
                queue.append(far)
    return pages


def _all_commands(
    command: click.Command, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            sub = command.get_command(context, name)
            assert sub is not None, name
            yield from _all_commands(sub, (*path, name))


def _generator(folder: Path) -> Any:
    spec = spec_from_file_location("generate", GENERATE)
    assert spec is not None
    assert spec.loader is not None
    generator: Any = module_from_spec(spec)
    spec.loader.exec_module(generator)
    generator.FOLDER, generator.PARTS = folder / "reference", {}
    return generator
