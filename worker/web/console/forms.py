"""Forms: what was typed, read value by value, and shown again if it cannot be used."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import Response

from worker.domain.errors import Invalid, PilotageError
from worker.domain.lengths import as_option, in_utc, length
from worker.domain.pairs import parse_pairs, written_pair
from worker.web.console.posted import read_fields
from worker.web.problems import status_of
from worker.web.routes import check_texts

NOTHING = ("", "none")
"""What people type for no value."""

AT_THE_FORM = frozenset({404, 409, 422})
"""The statuses of errors that whoever typed the values can mend."""

WAS = "was-"
"""How the name begins under which a form bears what was there when it was read."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """What was typed into one form: which form it is, and the version of what was read."""

    values: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None

    @property
    def does(self) -> str:
        return self.text("do")

    @property
    def version(self) -> str | None:
        return self.text("version") or None

    @property
    def why(self) -> str:
        """The reason of a change, for the audit."""
        return self.text("why")

    def confirm(self, name: str) -> None:
        """Refuse what cannot be taken back, unless the name of what it is about was typed."""
        if self.text("confirm") != name:
            raise Invalid("confirmation", f"type {name} to go on; nothing was changed")

    def text(self, name: str) -> str:
        return self.values.get(name, "").strip()


async def read_form(request: Request) -> Form:
    """Read the body of a form."""
    fields = await read_fields(request)
    values = {name: texts[-1].replace("\r\n", "\n") for name, texts in fields.items()}
    return Form(values=values)


ReadForm = Annotated[Form, Depends(read_form)]


def done_or_shown(
    form: Form, do: Callable[[], Response], page: Callable[[Form, int], Response]
) -> Response:
    """Do what a form says; where that is refused, show its page with what was typed, and why."""
    try:
        return do()
    except PilotageError as error:
        return page(refused(form, error), status_of(type(error)))


def refused(form: Form, error: PilotageError) -> Form:
    """Return the form with what is wrong in it; an error that no other value mends is raised."""
    if status_of(type(error)) not in AT_THE_FORM:
        raise error
    return Form(values=form.values, error=" ".join(str(error).split()))


# -- values: as they are typed, and as they are written into a form


def read_whole(label: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Invalid(label, "it must be a whole number") from None


def read_limit(label: str, text: str) -> int | None:
    return None if text.strip() in NOTHING else read_whole(label, text)


def read_number(label: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Invalid(label, "it must be a number") from None


def read_length(label: str, text: str) -> timedelta | None:
    if text.strip() in NOTHING:
        return None
    value = length(text.strip())
    if value is None:
        raise Invalid(label, "write a length of time like 90s, 30min, 2h or 3d")
    return value


def read_words(label: str, text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.replace(",", " ").split()))


def read_pairs(label: str, text: str) -> dict[str, Any]:
    values = parse_pairs([line.strip() for line in text.splitlines() if line.strip()])
    check_texts(values)
    return values


def read_lines(label: str, text: str) -> tuple[str, ...]:
    return tuple(line for line in text.splitlines() if line)


def read_seconds(label: str, text: str) -> float | None:
    return None if text.strip() in NOTHING else read_number(label, text)


def read_source(label: str, text: str) -> dict[str, Any] | None:
    return read_pairs(label, text) or None


def read_flag(label: str, text: str) -> bool:
    return text != ""


def moment(label: str, text: str, now: datetime) -> datetime | None:
    """Read a moment in UTC, or a length of time from now; nothing typed is none."""
    if text.strip() in NOTHING:
        return None
    try:
        from_now = length(text.strip())
        if from_now is not None:
            return now + from_now
        return in_utc(datetime.fromisoformat(text.strip()))
    except (ValueError, OverflowError):
        like = "write a length of time like 2h, or a moment like 2026-01-31T12:00"
        raise Invalid(label, like) from None


def ago(label: str, text: str, now: datetime) -> datetime | None:
    """Read a moment in UTC, or a length of time before now."""
    from_now = length(text.strip())
    if from_now is None:
        return moment(label, text, now)
    try:
        return now - from_now
    except OverflowError:
        raise Invalid(label, "it is too long ago") from None


def _plainly(value: Any) -> str:
    return "" if value is None else str(value)


def _number(value: float) -> str:
    return f"{value:.15g}"


def _length(value: timedelta | None) -> str:
    return "" if value is None else as_option(value)


def _pairs(value: Mapping[str, Any] | None) -> str:
    return "\n".join(written_pair(key, one) for key, one in (value or {}).items())


@dataclass(frozen=True)
class ValueKind:
    """How a value is read, how it is written, and which part of a form it is."""

    read: Callable[[str, str], Any]
    write: Callable[[Any], str]
    part: str = "line"


TEXT = ValueKind(lambda label, text: text.strip(), _plainly)
WHOLE = ValueKind(read_whole, _plainly)
LIMIT = ValueKind(read_limit, _plainly)
NUMBER = ValueKind(read_number, _number)
LENGTH = ValueKind(read_length, _length)
WORDS = ValueKind(read_words, " ".join)
PAIRS = ValueKind(read_pairs, _pairs, "lines")
SOURCE = ValueKind(read_source, _pairs, "lines")
SCRIPT = ValueKind(lambda label, text: text, _plainly, "lines")
LINES = ValueKind(read_lines, lambda value: "\n".join(value or ()), "lines")
SECONDS = ValueKind(read_seconds, lambda value: "" if value is None else _number(value))
FLAG = ValueKind(read_flag, lambda value: "yes" if value else "", "box")


@dataclass(frozen=True)
class FormField:
    """One value of a form."""

    name: str
    label: str
    kind: ValueKind
    hint: str = ""
    choices: Sequence[str] = ()
    """The words of which it is one; none means that it is typed."""
    nothing: str = "–"
    """What stands on the page for no value."""


@dataclass(frozen=True)
class FormGroup:
    """Values that are changed by one form."""

    name: str
    title: str
    fields: Sequence[FormField]

    def read(self, form: Form) -> dict[str, Any]:
        """Read the values that were typed anew; the error names the one that cannot be used.

        A form that shows what there is bears it twice, so that what is as it was stays out.
        """
        return {
            one.name: one.kind.read(one.label.lower(), form.values.get(one.name, ""))
            for one in self.fields
            if form.values.get(one.name, "") != form.values.get(WAS + one.name)
        }


@dataclass(frozen=True)
class FormEntry:
    """A value of a form as it stands there: as it was typed, or as it is now."""

    field: FormField
    text: str
    was: str
    read: str = ""
    """What was there when it was read."""


@dataclass(frozen=True)
class FilledForm:
    """A group of values as a form shows it."""

    group: FormGroup
    entries: Sequence[FormEntry]
    version: str
    error: str | None

    @property
    def is_open(self) -> bool:
        return self.error is not None


def filled(group: FormGroup, current: Any, version: str, tried: Form) -> FilledForm:
    """Fill a form with what is now, or with what was typed and refused."""
    is_tried = tried.error is not None and tried.does == group.name
    entries = []
    for one in group.fields:
        was = one.kind.write(getattr(current, one.name))
        typed_in = tried.values.get(one.name, "") if is_tried else was
        read_was = tried.values.get(WAS + one.name, was) if is_tried else was
        entries.append(FormEntry(one, typed_in, was, read_was))
    read = tried.version if is_tried and tried.version else version
    return FilledForm(group, entries, read, tried.error if is_tried else None)


def new_form(group: FormGroup, tried: Form, usual: Mapping[str, str] | None = None) -> FilledForm:
    """Return the form of something new, with what was typed and refused."""
    typed_in = tried.values if tried.error else usual or {}
    entries = [FormEntry(one, typed_in.get(one.name, ""), "") for one in group.fields]
    return FilledForm(group, entries, "", tried.error)
