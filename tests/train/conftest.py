"""Processes that a test starts find the pieces it hands them."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def pieces_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put this folder on the path of every process started."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
