"""Real ARC CEs pass the conformance suite: version 6, and version 7 in the long tests."""

import pytest

from tests.backends.arc_site import ArcSite
from worker.backends.conformance import Conformance, Site


class TestArc6(Conformance):
    @pytest.fixture
    def site(self, arc_site: ArcSite) -> Site:
        return arc_site


class TestArc7(Conformance):
    @pytest.fixture
    def site(self, arc7_site: ArcSite) -> Site:
        return arc7_site
