"""Fixtures of core's tests: the reference backend is selected, whatever else is installed."""

import pytest
from rustygrad import plugins, selection


@pytest.fixture(autouse=True)
def _reference_selected(monkeypatch):
    monkeypatch.setattr(selection, "_in_process", selection._Choice("python", "the tests"))


@pytest.fixture
def nothing_selected(monkeypatch):
    """Selection as in a new process, over a registry that holds core's own plugin alone."""
    monkeypatch.delenv("RUSTYGRAD_BACKEND", raising=False)
    monkeypatch.delenv("RUSTYGRAD_COMPILER", raising=False)
    monkeypatch.setattr(selection, "_in_process", None)
    monkeypatch.setattr(selection, "_environment", {})
    monkeypatch.setattr(selection, "_auto", {})
    monkeypatch.setattr(plugins, "entry_points", lambda group: [])
    monkeypatch.setattr(plugins, "_registry", None)
    return plugins.registry()
