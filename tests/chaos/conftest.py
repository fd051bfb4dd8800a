"""A world for a test: it begins in the test, and is removed after it."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.chaos.making import Shape
from tests.chaos.making import world as world_of
from tests.chaos.world import World
from tests.session import PLAN

Make = Callable[[Shape], World]


@pytest.fixture
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Make a world of this shape; without its servers, the test is skipped."""
    plan = request.config.stash[PLAN]
    # The user of the server must be able to enter it.
    folder = Path(tempfile.mkdtemp(prefix="pilotage-tests-chaos-"))
    folder.chmod(0o711)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)

        def build(shape: Shape) -> World:
            try:
                return stack.enter_context(world_of(folder, shape))
            except LookupError as problem:
                say = pytest.fail if plan.required else pytest.skip
                say(str(problem))

        yield build
