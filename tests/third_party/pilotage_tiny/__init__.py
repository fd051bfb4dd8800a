"""A back-end of somebody else's: it accepts nothing, and remembers that."""

from pathlib import Path
from typing import Any, NoReturn

from worker.backends.contract import Backend, Means
from worker.db.chains import Chain
from worker.domain.ce import CE
from worker.domain.errors import Unavailable

from .tables import metadata


class TinyDriver:
    """Speaks to nobody."""

    def __init__(self, ce: CE, options: Any, means: Means) -> None:
        self.ce = ce

    def _refuse(self, *_: object) -> NoReturn:
        raise Unavailable(self.ce.name)

    submit = poll = find = cancel = output = hello = _refuse


BACKEND = Backend(
    name="tiny",
    about="Nowhere at all.",
    chain=Chain(
        name="tiny",
        tables=("tiny_letters", "tiny_stamps"),
        metadata=metadata,
        folder=Path(__file__).parent / "migrations",
    ),
    driver=TinyDriver,
)
