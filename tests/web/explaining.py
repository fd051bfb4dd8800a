"""A console in the process of the test, and its pages as a browser reads them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from tests.services.world import World
from tests.web.signed_in import signed_in
from worker.domain.access import Role

VOID = frozenset({"meta", "link", "input", "col", "br", "rect", "path", "use", "circle", "hr"})


@dataclass
class Element:
    """An element of a page: its name, attributes, parts and text."""

    name: str
    attributes: dict[str, str]
    parts: "list[Element | str]" = field(default_factory=list)

    @property
    def text(self) -> str:
        texts = (part if isinstance(part, str) else f" {part.text} " for part in self.parts)
        return " ".join("".join(texts).split())

    def each(self) -> "Iterator[Element]":
        yield self
        for part in self.parts:
            if isinstance(part, Element):
                yield from part.each()

    def find(self, name: str = "", **attributes: str) -> "list[Element]":
        """Find elements by name and attributes; one word of `class` is enough."""
        pairs = {key.rstrip("_"): value for key, value in attributes.items()}
        return [
            one
            for one in self.each()
            if (not name or one.name == name)
            and all(
                value in (one.attributes.get(key) or "").split()
                if key == "class"
                else one.attributes.get(key) == value
                for key, value in pairs.items()
            )
        ]

    def one(self, name: str = "", **attributes: str) -> "Element":
        [element] = self.find(name, **attributes)
        return element


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("document", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].parts.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].parts.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop().name == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        self.open[-1].parts.append(data)


def read(html: str) -> Element:
    """Read a page; every element that is opened must be closed."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert len(reader.open) == 1, f"<{reader.open[-1].name}> is not closed"
    return reader.open[0]


class Console:
    """A browser with a session, in front of the pages of a world."""

    def __init__(self, world: World, role: Role = Role.READ) -> None:
        self._client = signed_in(world.runtime(), role)

    def get(self, path: str, *, status: int = 200, **query: Any) -> Element:
        answer = self._client.get(path, params=query or None, headers={"Accept": "text/html"})
        assert answer.status_code == status, answer.text
        return read(answer.text)

    def json(self, path: str, **query: Any) -> Any:
        answer = self._client.get(
            path, params=query or None, headers={"Accept": "application/json"}
        )
        assert answer.headers["Content-Type"] == "application/json", answer.text
        return answer.json()
