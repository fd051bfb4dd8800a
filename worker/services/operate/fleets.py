"""Fleets: a folder for `apply`, made of a recipe, the answers to its questions and some clusters.

A recipe is a folder with `recipe.toml`, its questions; `fleet.toml`, a template of the file for
`apply`; a README; and what its workers run. A new fleet is first written to a temporary folder and
read as `apply` would read it, so a mistake leaves no files behind.
"""

import json
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import Field

from worker.backends.contract import Backend
from worker.domain import validation
from worker.domain.errors import AlreadyExists, Invalid, UnknownRecipe
from worker.domain.nearest import nearest
from worker.domain.validation import FileTable
from worker.domain.variable import Variable
from worker.services.files import read_toml
from worker.services.operate import inventory_file, toml_text
from worker.services.operate.inventory_file import CETable

FOLDER = Path(__file__).resolve().parents[3] / "recipes"
QUESTIONS, FLEET = "recipe.toml", "fleet.toml"
_OF_THIS_HOST = ("here", "local")


class RecipeQuestion(Variable):
    """A value that a recipe needs, and its default."""

    question: str


class Recipe(FileTable):
    """The purpose of a recipe, and its questions."""

    name: str = ""
    about: str
    questions: Mapping[str, RecipeQuestion] = Field(default={})


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A cluster for workers: its name, back-end and settings, and the options of its back-end."""

    name: str
    backend: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


def recipes() -> list[Recipe]:
    """Return the recipes, sorted by name."""
    return [_read(path.parent) for path in sorted(FOLDER.glob(f"*/{QUESTIONS}"))]


def recipe(name: str) -> Recipe:
    """Return a recipe by its name."""
    names = [path.parent.name for path in FOLDER.glob(f"*/{QUESTIONS}")]
    if name not in names:
        raise UnknownRecipe(name, nearest(name, names))
    return _read(FOLDER / name)


def cluster(text: str) -> Cluster:
    """Parse a cluster as it is typed: `fir backend=slurm capacity=20 partition=main`."""
    try:
        name, *words = shlex.split(text)
    except ValueError:
        raise Invalid("cluster", "write its name first, and close each quote") from None
    pairs = [word.partition("=") for word in words]
    without = [word for word, sign, _ in pairs if not sign]
    if without or "=" in name:
        raise Invalid(f"cluster {name}", "after the name write KEY=VALUE KEY=VALUE …")
    values = {key: plain(value) for key, _, value in pairs}
    own = {key: value for key, value in values.items() if key in CETable.model_fields}
    options = {key: value for key, value in values.items() if key not in own}
    backend = str(own.pop("backend", "slurm"))
    return Cluster(name=name, backend=backend, settings=own, options=options)


def plain(text: str) -> Any:
    """Parse a value as it is typed: as JSON if possible, else as text.

    An object or `null` stays text, too.
    """
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, dict) or value is None else value


def write(
    chosen: Recipe,
    folder: Path,
    values: Mapping[str, Any],
    clusters: Sequence[Cluster],
    backends: Mapping[str, Backend],
) -> list[Path]:
    """Write a fleet into a new folder; return its files."""
    if folder.exists():
        raise AlreadyExists(str(folder), "name a folder that does not exist yet")
    answers = {**_answers(chosen, values), "clusters": list(clusters) or [_this_host()]}
    parent = folder.absolute().parent
    if not parent.is_dir():
        raise Invalid(str(parent), "there is no such folder")
    with TemporaryDirectory(prefix=".fleet-", dir=parent) as draft:
        made = Path(draft) / folder.name
        made.mkdir(mode=0o755)
        for path in _files(FOLDER / chosen.name):
            shutil.copyfile(path, made / path.name)
        (made / FLEET).write_text(_rendered(chosen, answers), encoding="utf-8")
        inventory_file.read(made / FLEET, backends)
        made.rename(folder)
    return sorted(folder.iterdir())


def shortage(file: Path) -> str | None:
    """Return a warning if the clusters take fewer workers than the fleet may have, else `None`."""
    values = read_toml(file)
    room = sum(one["capacity"] for one in values.get("ce", {}).values())
    limits = [one["limit"] for one in values.get("vo", {}).values() if "limit" in one]
    if room >= max(limits, default=0):
        return None
    return f"the clusters have room for {room} workers, and the fleet may have {max(limits)}"


def _read(folder: Path) -> Recipe:
    values = read_toml(folder / QUESTIONS)
    return validation.read(Recipe, {**values, "name": folder.name}, folder.name)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.is_file() and path.name != QUESTIONS)


def _answers(chosen: Recipe, values: Mapping[str, Any]) -> dict[str, Any]:
    for name in values:
        if name not in chosen.questions:
            raise Invalid(
                name, f"the recipe has no such question; {nearest(name, chosen.questions)}"
            )
    answers = {}
    for name, question in chosen.questions.items():
        answer = values.get(name, question.default)
        try:
            question.check(answer)
        except ValueError as error:
            raise Invalid(name, str(error)) from None
        answers[name] = answer
    return answers


def _rendered(chosen: Recipe, answers: Mapping[str, Any]) -> str:
    environment = Environment(
        loader=FileSystemLoader([FOLDER / chosen.name, FOLDER]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - it writes TOML, and each value is written by a filter
    )
    environment.filters["value"] = toml_text.value
    environment.filters["key"] = toml_text.key
    return environment.get_template(FLEET).render(answers)


def _this_host() -> Cluster:
    name, backend = _OF_THIS_HOST
    return Cluster(name=name, backend=backend, settings={"capacity": os.cpu_count() or 1})
