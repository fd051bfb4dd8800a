"""The words of the command line: each has its help, and none means two things."""

import shlex
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path as PathOfFile

import click
import pytest

import worker.cli
from tests.cli.command import Cli
from worker.cli.main import COMMANDS, pilotage

FOLDER = PathOfFile(worker.cli.__path__[0])
Path = tuple[str, ...]


def walk(command: click.Command, path: Path = ()) -> Iterator[tuple[Path, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None, name
            yield from walk(below, (*path, name))


TREE = dict(walk(pilotage))
LEAVES = {path: c for path, c in TREE.items() if not isinstance(c, click.Group)}
LISTINGS = [path for path in LEAVES if path[-1] in ("list", "show", "status", "explain", "plan")]
DESTRUCTIVE = [
    path for path in LEAVES if path[-1] in ("drop", "reset", "clean", "remove", "cancel", "revoke")
]
SHOWN = {
    *("up", "ce", "vo", "apply", "pilot", "status", "top", "explain", "plan", "task", "db"),
    "backend",
}
WORDS = {
    "ce": {"add", "list", "show", "set", "enable", "disable", "drain", "remove"},
    "vo": {"add", "list", "show", "set", "enable", "disable", "remove"},
    "pilot": {"list", "show", "cancel", "output"},
    "task": {"list", "run", "schedule", "enable", "disable"},
    "db": {"setup", "create", "drop", "reset", "migrate", "clean", "verify", "status"},
    "backend": {"list", "migrate", "upgrade-all"},
    "token": {"create", "list", "revoke"},
}


def find(words: list[str]) -> tuple[Path, list[str]]:
    """Return the command that a line calls, and the arguments."""
    path: Path = ()
    while words and (*path, words[0]) in TREE:
        path, words = (*path, words[0]), words[1:]
    return path, words


def test_the_line_of_a_command_at_the_root_is_its_own() -> None:
    """The root has a copy of each line, so that it need not import the commands."""
    for name, entry in COMMANDS.items():
        assert entry.line == TREE[(name,)].get_short_help_str(200), name
        assert not TREE[(name,)].hidden, name


def test_each_module_of_the_command_line_is_reached_from_the_root() -> None:
    """A command that is neither at the root nor within a group cannot be called."""
    ids = {id(command) for command in TREE.values()}
    for file in sorted(FOLDER.glob("*.py")):
        module = import_module(f"worker.cli.{file.stem}")
        for name, value in vars(module).items():
            assert not isinstance(value, click.Command) or id(value) in ids, name


def test_the_words_are_those_of_the_design() -> None:
    assert {path[0] for path in TREE if path} >= SHOWN
    for noun, verbs in WORDS.items():
        group = TREE[(noun,)]
        assert isinstance(group, click.Group)
        assert set(group.commands) >= verbs


@pytest.mark.parametrize("path", TREE, ids=" ".join)
def test_help_shows_an_example_that_parses(cli: Cli, path: Path) -> None:
    text = cli.ok(*path, "--help").out
    line = (TREE[path].epilog or "").removeprefix("Example: pilotage ")

    assert text.startswith(f"Usage: {' '.join(('pilotage', *path))} ")
    assert "Example: pilotage " in text
    leaf, words = find(shlex.split(line))
    assert leaf[: len(path)] == path
    assert leaf in LEAVES
    LEAVES[leaf].make_context(leaf[-1], words)


@pytest.mark.parametrize("path", TREE, ids=" ".join)
def test_every_option_and_command_has_a_sentence(path: Path) -> None:
    assert (TREE[path].help or "").strip()
    for option in TREE[path].params:
        if isinstance(option, click.Option):
            assert (option.help or "").endswith((".", "?")), option.name


@pytest.mark.parametrize(
    "path", [p for p, c in TREE.items() if isinstance(c, click.Group)], ids=" ".join
)
def test_no_sentence_is_cut_short_in_an_overview(cli: Cli, path: Path) -> None:
    assert "..." not in cli.ok(*path, "--help").out.partition("Commands:")[2]


def test_a_group_alone_shows_its_help(cli: Cli) -> None:
    for words in ((), ("ce",), ("pilot",), ("task",), ("backend",)):
        assert cli.ok(*words).out == cli.ok(*words, "--help").out


def test_every_listing_takes_json() -> None:
    assert len(LISTINGS) > 10
    for path in LISTINGS:
        assert "--json" in options(LEAVES[path]), path


def test_every_destructive_word_takes_yes() -> None:
    assert len(DESTRUCTIVE) >= 6
    for path in DESTRUCTIVE:
        assert "--yes" in options(LEAVES[path]), path


def test_no_option_means_two_things() -> None:
    meanings = defaultdict(set)
    for command in TREE.values():
        for name, option in options(command).items():
            kind = "flag" if option.is_flag else f"{type(option.type).__name__} {option.metavar}"
            meanings[name].add(kind)

    # 'plan --demand' takes the name of a VO before the number, 'vo set --demand' only a number.
    meanings["--demand"].discard("StringParamType VO=NUMBER")
    # 'report --by' takes words, where 'ce drain --by' takes a moment.
    meanings["--by"].discard("StringParamType WORDS")
    # 'audit --by' takes an account.
    meanings["--by"].discard("StringParamType ACCOUNT")
    assert {name: kinds for name, kinds in meanings.items() if len(kinds) > 1} == {}


def test_short_options_are_none() -> None:
    for command in TREE.values():
        assert all(name.startswith("--") for name in options(command))


def options(command: click.Command) -> dict[str, click.Option]:
    params = [param for param in command.params if isinstance(param, click.Option)]
    return {name: param for param in params for name in (*param.opts, *param.secondary_opts)}
