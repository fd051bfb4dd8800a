"""The conformance suite: what every back-end must do, ours or a plug-in's.

A test module of five lines runs it, with a `Site` that knows one CE of the back-end:

    from worker.backends.conformance import Conformance, Site

    class TestMine(Conformance):
        @pytest.fixture
        def site(self, tmp_path):
            return MySite(tmp_path)       # a subclass of Site, a new and empty CE for each test

`Site.connect` makes a driver, `Site.wait` lets time pass, `Site.provoke` makes trouble at the CE,
`Site.plant` lets a pilot lie, `Site.contents` returns what the CE has. `Site.connect_second` makes
a driver of a second CE at the same place; where there cannot be a second CE, `Site.alone` says why.
A trouble that cannot be made is named in `Site.cannot` with the reason, and its cases are skipped;
the cases of a trouble that is neither made nor named fail. Lies that no pilot can tell are named
in `Site.cannot_lie`. The suite needs pytest; to see the values in a failed assertion, call
`pytest.register_assert_rewrite("worker.backends.conformance")` in `conftest.py`.
"""

import pytest

from worker.backends.conformance.asking import Asking, Lying
from worker.backends.conformance.cancelling import Cancelling
from worker.backends.conformance.errors import Errors
from worker.backends.conformance.listing import Listings
from worker.backends.conformance.neighbours import Neighbours
from worker.backends.conformance.site import FILES, Lie, Life, Site, Trouble, never
from worker.backends.conformance.submitting import Submitting

__all__ = ["FILES", "Conformance", "Lie", "Life", "Site", "Trouble", "never"]


class Conformance(Submitting, Asking, Lying, Cancelling, Listings, Errors, Neighbours):
    """All cases. A subclass whose name begins with Test provides the fixture `site`."""

    @pytest.fixture
    def site(self) -> Site:
        """Return the CE that is tested."""
        raise NotImplementedError("give a fixture named site")

    def test_what_cannot_be_provoked_is_declared_with_a_reason(self, site: Site) -> None:
        """Nothing is skipped by accident."""
        for trouble, reason in site.cannot.items():
            assert trouble in set(Trouble), f"{trouble} is no trouble"
            assert reason.strip(), f"say why {trouble} cannot be provoked"
        for lie, reason in site.cannot_lie.items():
            assert lie in set(Lie), f"{lie} is no lie"
            assert reason.strip(), f"say why no pilot can lie like this: {lie}"
