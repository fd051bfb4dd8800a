"""Forms: their values are parsed one by one, and shown again if one is refused."""

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
"""The texts that mean no value."""

AT_THE_FORM = frozenset({404, 409, 422})
"""The statuses of errors that other values in the form can correct."""

WAS = "was-"
"""The prefix of a hidden field with the value that a field had when the form was shown."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """The values of a form that was sent: among them its name, and the version that was shown."""

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
        """Refuse an irreversible action unless the name of its subject was typed."""
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
    """Perform the action of a form; if it is refused, show its page with the values and why."""
    try:
        return do()
    except PilotageError as error:
        return page(refused(form, error), status_of(type(error)))


def refused(form: Form, error: PilotageError) -> Form:
    """Return the form with its error; raise an error that other values cannot correct."""
    if status_of(type(error)) not in AT_THE_FORM:
        raise error
    return Form(values=form.values, error=" ".join(str(error).split()))


# -- values: parsed from typed text, and written into a form


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
    """Read a moment in UTC, or a length of time from now; `None` if nothing was typed."""
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
    """How a kind of value is parsed and written, and the kind of field it has."""

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
    """The words to choose from; if there are none, the value is typed."""
    nothing: str = "–"
    """The text on the page for no value."""


@dataclass(frozen=True)
class FormGroup:
    """Values that one form changes."""

    name: str
    title: str
    fields: Sequence[FormField]

    def read(self, form: Form) -> dict[str, Any]:
        """Parse the values that were changed; an error names the wrong one.

        A form also has the value that each field had when it was shown, so unchanged values are
        left out.
        """
        return {
            one.name: one.kind.read(one.label.lower(), form.values.get(one.name, ""))
            for one in self.fields
            if form.values.get(one.name, "") != form.values.get(WAS + one.name)
        }


@dataclass(frozen=True)
class FormEntry:
    """A field of a form with its text: as it was typed, or the present value."""

    field: FormField
    text: str
    was: str
    read: str = ""
    """The value when the form was shown."""


@dataclass(frozen=True)
class FilledForm:
    """A group of values, filled in for display."""

    group: FormGroup
    entries: Sequence[FormEntry]
    version: str
    error: str | None

    @property
    def is_open(self) -> bool:
        return self.error is not None


def filled(group: FormGroup, current: Any, version: str, tried: Form) -> FilledForm:
    """Fill a form with the present values, or with typed values that were refused."""
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
    """Return an empty form, or one with typed values that were refused."""
    typed_in = tried.values if tried.error else usual or {}
    entries = [FormEntry(one, typed_in.get(one.name, ""), "") for one in group.fields]
    return FilledForm(group, entries, "", tried.error)
