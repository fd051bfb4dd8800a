"""Values for the tests of parsers: any value, and the inputs that are kept in files.

Each input that once failed is a file in `data/foreign/`; it is tried before all others.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, example, settings
from hypothesis import strategies as st

FOLDER = Path(__file__).parent / "data" / "foreign"
Test = TypeVar("Test", bound=Callable[..., Any])
READERS: set[str] = set()
"""The readers whose tests try the kept inputs."""

ANY_TIME = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
"""As many examples as the profile says: `make long` tries thousands."""

NUMBERS = st.sampled_from(
    ["0", "-1", "256", "99999999999", "9" * 5000, "²", "٣", "1:9", "0:" + "9" * 400, ""]
)
TEXTS = st.one_of(
    NUMBERS,
    st.sampled_from(
        ["0001-01-01T00:00:00", "9999-12-31T23:59:59", "2026-05-01T12:00:00", "FAILED", "RUNNING"]
    ),
    st.text(max_size=30),
    st.text("\0\n\r\x0b\x1c\x1e\x1f\u2028\x85 0123456789_[]%-,:", max_size=30),
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**30, -(2**63), 2**31, 253402300800, -62135596801]),
    st.floats(),
    TEXTS,
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def kept(reader: str, argument: str, **others: Any) -> Callable[[Test], Test]:
    """Try the kept inputs of a reader first: each file READER-*.txt is a value of the argument."""
    READERS.add(reader)

    def add(test: Test) -> Test:
        for path in sorted(FOLDER.glob(f"{reader}-*.txt")):
            text = path.read_text(encoding="utf-8")
            test = example(**{argument: text, **others})(test)
        return test

    return add
