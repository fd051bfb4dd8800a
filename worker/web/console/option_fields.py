"""The options of a CE as a form: a field for each, with its description, bounds and default."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

from worker.domain.pairs import parse_pairs, written_pair
from worker.services.observe.ces import OptionLine
from worker.services.operate.ce_inventory import ShownCE
from worker.web.console.forms import Form, FormField, FormGroup, ValueKind
from worker.web.routes import check_texts

NAME = "each"
"""The name of the form."""

PREFIX = "option."


def _read(label: str, text: str) -> Any:
    """Parse a value like the right side of KEY=VALUE; `None` if it is empty."""
    if not text.strip():
        return None
    values = parse_pairs([f"value={text.strip()}"])
    check_texts(values)
    return values["value"]


def _write(value: Any) -> str:
    return "" if value is None else written_pair("", value).removeprefix("=")


OPTION = ValueKind(_read, _write)


def option_group(options: Sequence[OptionLine], ce: ShownCE) -> FormGroup:
    """Return the form of all options that a CE may have."""
    own = {one.name: one for one in options}
    others = [name for name in ce.options if name not in own]
    fields = [FormField(PREFIX + one.name, one.name, OPTION, _hint(one)) for one in options]
    fields += [FormField(PREFIX + name, name, OPTION) for name in others]
    return FormGroup(NAME, "Options one by one", fields)


def _hint(option: OptionLine) -> str:
    about = option.about.rstrip(".")
    bounds = f" ({option.bounds})" if option.bounds else ""
    left_out = "" if option.default is None else f" Left out: {_write(option.default)}."
    return f"{about}{bounds}.{left_out}"


def with_options(ce: ShownCE, options: Sequence[OptionLine]) -> Any:
    """Return a CE with each option as an attribute of its own, named as in the form."""
    names = {*ce.options, *(one.name for one in options)}
    each = {PREFIX + name: ce.options.get(name) for name in names}
    return SimpleNamespace(**asdict(ce), **each)


def read_options(group: FormGroup, form: Form) -> Mapping[str, Any]:
    """Parse the options that were changed; an option that is empty now is removed.

    An option without a field in the form does not change: it may have been added since then.
    """
    fields = [one for one in group.fields if one.name in form.values]
    values = FormGroup(group.name, group.title, fields).read(form)
    return {name.removeprefix(PREFIX): value for name, value in values.items()}
