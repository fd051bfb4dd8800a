"""The back-ends, and the conformance suite that judges them."""

import pytest

pytest.register_assert_rewrite("worker.backends.conformance")
