"""A small world of the chaos runs: a worker, a beat, and CEs whose pilots live for seconds."""

from tests.chaos.conftest import make as make
