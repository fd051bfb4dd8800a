"""What real CEs need."""

from tests.backends.conftest import arc_site as arc_site
