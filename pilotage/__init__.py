"""The one name that an installation takes, and the home of the two that it does not take.

`worker` and `celeryconfig` are names that many Celery sites use for modules of their own. They lie
in this folder: in a wheel as files, in a checkout as links to the top of the repository. Once this
package is imported, both names mean ours in this process, whatever lies in the working directory or
on the path; until then neither can be imported from an installation.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

FOLDER = (Path(__file__).parent / "worker").resolve().parent
OURS = ("worker", "celeryconfig")


class Ours(MetaPathFinder):
    """Finds our two modules here, before anybody looks elsewhere."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: object = None
    ) -> ModuleSpec | None:
        """Find them under their own names, and refuse a second copy under another name."""
        if name in OURS:
            return PathFinder.find_spec(name, [str(FOLDER)])
        if name in [f"{__name__}.{module}" for module in OURS]:
            plain = name.removeprefix(f"{__name__}.")
            raise ModuleNotFoundError(f"write 'import {plain}' after 'import pilotage'", name=name)
        return None


sys.meta_path.insert(0, Ours())
