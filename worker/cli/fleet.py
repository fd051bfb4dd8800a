"""`pilotage fleet`: recipes for workers on several clusters."""

import sys
from pathlib import Path
from typing import Any

import click

from worker import wiring
from worker.cli import show
from worker.cli.columns import ALWAYS, Column
from worker.cli.groups import Group, example
from worker.cli.options import as_json
from worker.domain.errors import Invalid
from worker.services.operate import fleets
from worker.services.operate.fleets import Cluster, Recipe, RecipeQuestion

COLUMNS = (Column(name="recipe", rank=ALWAYS), "about")
ASK_FOR_CLUSTER = "A cluster, or nothing for this machine (NAME KEY=VALUE …)"
ASK_FOR_ANOTHER = "Another cluster, or nothing"


@click.group(cls=Group, epilog=example("pilotage fleet init plain mine"))
def fleet() -> None:
    """Write the files to run workers on several clusters, from a recipe."""


@fleet.command("list", epilog=example("pilotage fleet list"))
@as_json
def list_(as_json: bool) -> None:
    """List the recipes."""
    rows = [{"recipe": one.name, "about": one.about} for one in fleets.recipes()]
    show.as_json(rows) if as_json else show.table(rows, COLUMNS, "there is no recipe")


@fleet.command(
    epilog=example(
        "pilotage fleet init plain mine --cluster 'fir capacity=20 ssh=me@login.example.org'"
    )
)
@click.argument("recipe")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--cluster",
    "clusters",
    multiple=True,
    metavar="TEXT",
    help="A name, then KEY=VALUE: backend (slurm), capacity, and the options of the back-end.",
)
@click.option(
    "--answer",
    "answers",
    multiple=True,
    metavar="KEY=VALUE",
    help="The answer to one question of the recipe.",
)
def init(recipe: str, folder: Path, clusters: tuple[str, ...], answers: tuple[str, ...]) -> None:
    """Write a FOLDER from a RECIPE.

    The folder has the file for 'apply', and what the workers run. At a terminal the command
    asks for missing answers; elsewhere it takes their defaults.
    """
    chosen = fleets.recipe(recipe)
    values = _values(answers)
    places = [fleets.cluster(text) for text in clusters]
    if sys.stdin.isatty():
        values |= _answers(chosen, values)
        places = places or _ask_clusters()
    for path in fleets.write(chosen, folder, values, places, wiring.backends()):
        show.say(f"wrote {path}")
    if (shortage := fleets.shortage(folder / fleets.FLEET)) is not None:
        show.say(f"note: {shortage}: raise 'capacity' in {folder}/{fleets.FLEET} if you want more")
    show.say(f"next: read {folder}/README.md, and run 'pilotage apply {folder}/fleet.toml'")


def _values(answers: tuple[str, ...]) -> dict[str, Any]:
    values = {}
    for answer in answers:
        name, sign, value = answer.partition("=")
        if not sign:
            raise Invalid(answer, "write --answer KEY=VALUE")
        values[name] = fleets.plain(value)
    return values


def _answers(chosen: Recipe, values: dict[str, Any]) -> dict[str, Any]:
    """Ask the questions that have no answer yet."""
    return {
        name: _ask(question) for name, question in chosen.questions.items() if name not in values
    }


def _ask(question: RecipeQuestion) -> Any:
    def checked(text: str) -> Any:
        value = fleets.plain(text) if isinstance(text, str) else text
        try:
            question.check(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
        return value

    return click.prompt(question.question, default=question.default, value_proc=checked)


def _ask_clusters() -> list[Cluster]:
    places: list[Cluster] = []
    while text := click.prompt(
        ASK_FOR_ANOTHER if places else ASK_FOR_CLUSTER, default="", show_default=False
    ):
        places.append(fleets.cluster(text))
    return places
