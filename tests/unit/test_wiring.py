"""What the wiring has built is built anew once it was told to forget it."""

from pathlib import Path

import pytest

from worker import wiring

CACHES = {
    name: value
    for name, value in vars(wiring).items()
    if hasattr(value, "cache_info") and value.__module__ == wiring.__name__
}


def test_nothing_that_was_built_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PILOTAGE_HOME", str(tmp_path / "one"))
    for build in CACHES.values():
        build()
    assert {cache.cache_info().currsize for cache in CACHES.values()} == {1}

    wiring.forget()

    kept = [name for name, cache in CACHES.items() if cache.cache_info().currsize]
    assert kept == []
    monkeypatch.setenv("PILOTAGE_HOME", str(tmp_path / "two"))
    assert wiring.settings().home == tmp_path / "two"
