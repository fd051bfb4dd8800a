"""Tests of the running system: real processes, observed from outside."""
