"""The world of the chaos runs, small: a worker, a beat, and CEs whose pilots live for seconds."""

from tests.chaos.conftest import make as make
