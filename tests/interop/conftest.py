"""Programs that exports are verified on: some of the library, and all of it when slow tests are asked for."""

import pytest

from janiform import programs

ONE_EACH = sorted({e.file: e.name for e in programs.entries()}.values())
FEW = (
    "sort",
    "reverse",
    "hist",
    "frac_prevs",
    "majority",
    "previous_token",
    "increment",
    "dyck1",
    "induction",
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes a ``name``, and does not say which, runs on the few, and slowly on every other."""
    told = any("name" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "name" in metafunc.fixturenames and not told:
        slow = [pytest.param(n, marks=pytest.mark.slow) for n in ONE_EACH if n not in FEW]
        metafunc.parametrize("name", [*FEW, *slow])
