"""What a back-end is. Ours and a stranger's enter by the same door, the entry-point group
`pilotage.backends`, each with one `Backend`.
"""

from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from worker.db.chains import Chain


class Options(BaseModel):
    """What a CE of this back-end may be told. An unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A kind of CE: its name, what it is in a sentence, its options and its tables."""

    name: str
    about: str
    options: type[Options] = field(repr=False, default=Options)
    chain: Chain = field(repr=False)
