"""Posted forms: their fields, and a key so that a repeated form acts only once."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, Request

from worker.domain.errors import Invalid
from worker.web.routes import check_texts

MOST_FIELDS = 500

KIND = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class PostedForm:
    """The fields of a form that was posted."""

    fields: Mapping[str, Sequence[str]]

    def get(self, name: str) -> str | None:
        return next(iter(self.getlist(name)), None)

    def getlist(self, name: str) -> Sequence[str]:
        return self.fields.get(name, [])

    def number(self, name: str) -> int | None:
        """Return a number as people write it: 1,200 or 1 200."""
        return number(self.get(name) or "")


async def read_fields(request: Request) -> dict[str, list[str]]:
    """Read the fields of a form; the border limits its length."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if kind != KIND:
        raise Invalid("body", f"it is not {KIND}")
    try:
        text = (await request.body()).decode()
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Invalid("body", "it cannot be read as the fields of a form") from None
    check_texts(fields)
    return fields


async def _form(request: Request) -> PostedForm:
    return PostedForm(await read_fields(request))


Posted = Annotated[PostedForm, Depends(_form)]


def number(text: str) -> int | None:
    plain = re.sub(r"[\s,]", "", text)
    return int(plain) if plain.isascii() and plain.isdigit() and len(plain) < 10 else None


def new_key() -> str:
    """Make a key for a form, with which a form that is sent twice acts once."""
    return token_urlsafe(16)
