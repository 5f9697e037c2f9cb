"""Claims on the whole way: models that answer longer inputs become programs, untrained ones do not, and misuse is told."""

import json

import pytest
from known import (
    FEW,
    TOMITA2,
    by_counts,
    by_previous,
    by_token,
    forgetful,
    given,
    shipped,
    shortened,
    task_of,
    untrained,
)

from janiform.cli import main
from janiform.decompile.trained.evidence import BINS
from janiform.decompile.trained.faithful import longest_answered
from janiform.decompile.trained.pipeline import (
    LINES,
    Settings,
    answered_lengths,
    cautions,
    decompile,
)
from janiform.decompile.trained.verify import Agreement
from janiform.errors import JaniformError
from janiform.ir.nodes import Aggregate, Count, walk
from janiform.model.checkpoints import load_trained, names
from janiform.tasks import sampler

LONGEST = {"aastar": 1, "bin_majority": 3, "tomita2": 3}
"""The statements of programs, where there are fewer than 5."""


@pytest.mark.parametrize("name", names())
def test_shipped_models_become_short_programs(name):
    """Each is a program of a few lines that agrees at every length and after interventions."""
    found = shipped(name)
    assert (found.level, found.reason) == ("L3", "")
    assert found.lines <= LONGEST.get(task_of(name), 5)
    assert list(found.agreements) == [f"{a}-{b}" for a, b in BINS]
    assert all(a.match >= 0.95 for a in found.agreements.values())
    assert found.match.fraction >= 0.98
    assert found.interchange >= 0.9
    assert found.lift_error < 1e-4


def _given(name, *marks):
    return pytest.param(name, marks=[pytest.mark.shared, *marks])


@pytest.mark.parametrize(
    "name",
    [
        *map(
            _given, ("D2-1l1h16", "aastar-1l2h16", "bin_majority-1l1h16", "tomita2-1l1h16", "tomita7-2l1h16")
        ),
        _given("sort-1l1h256", pytest.mark.slow),
        _given("unique_copy-2l1h64", pytest.mark.slow),
    ],
)
def test_models_of_others_become_short_programs(name):
    """Weights that others trained and published come out as programs too."""
    found = given(name)
    assert found.level == "L3"
    assert found.lines <= 6
    assert found.match.fraction >= 0.97
    assert found.interchange >= 0.9


@pytest.mark.parametrize("name", ["bin_majority-1l1h16", "D2-1l1h16", "aastar-1l2h16"])
def test_untrained_models_become_no_program(name):
    """The control: random weights of the same shape have no short program, and the result says so."""
    found = decompile(untrained(name, seed=1), sampler(task_of(name)), Settings(inputs=40))
    assert found.level in ("L0", "L1")
    assert found.program is None and f"no program of at most {LINES} lines" in found.reason
    assert found.facts()["interchange"] is None
    assert found.lift_error < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tomita7-2l1h16", "tomita4-2l2h16"])
def test_untrained_models_of_two_layers_become_no_program(name):
    """So do random weights of two layers."""
    found = decompile(untrained(name, seed=1), sampler(task_of(name)), Settings(inputs=40))
    assert found.program is None and found.reason


@pytest.mark.parametrize(
    ("make", "kinds"),
    [
        (by_token, set()),
        (by_counts, {Count}),
        (by_previous, {Aggregate}),
    ],
    ids=["by token", "by counts", "by the token before"],
)
def test_equal_behavior_by_other_means_is_another_program(make, kinds):
    """Three models that answer alike on every input of the task each become what they are made of."""
    found = decompile(make(), TOMITA2, FEW)
    assert found.match.fraction == 1
    used = {type(n) for n in walk(*found.program.outputs.values())}
    assert used & {Count, Aggregate} == kinds
    assert found.interchange >= 0.9


def test_a_program_that_is_not_the_mechanism_is_told_by_interventions():
    """A head that copies from before is not the token itself: where the program says so, interventions disagree."""
    found = decompile(by_previous(), TOMITA2, FEW)
    reads = any(isinstance(n, Aggregate) for n in walk(*found.program.outputs.values()))
    assert reads or found.interchange < 0.7


def test_every_line_of_a_program_is_needed():
    """Holding a variable at its commonest value costs agreement."""
    for name in ("D2-1l1h16", "tomita7-2l1h16", "tomita4-2l2h16"):
        assert shipped(name).needs
        assert all(left < 0.9 for left in shipped(name).needs.values())


def test_a_model_of_too_small_a_vocabulary_is_refused():
    """The error says how many tokens each has."""
    with pytest.raises(JaniformError, match="sort has 154 tokens .* this model 6"):
        decompile(load_trained("D2-1l1h16"), sampler("sort"), FEW)


def test_a_model_of_too_large_a_vocabulary_is_refused():
    """A model of another task is told, whichever has more tokens."""
    with pytest.raises(JaniformError, match="aastar has 5 tokens"):
        decompile(load_trained("D2-1l1h16"), sampler("aastar"), FEW)


@pytest.mark.parametrize("positions", [12, 40])
def test_a_model_of_few_positions_is_decompiled_or_refused(positions):
    """With fewer positions than the shortest inputs need there is an error of ours, never another."""
    model = shortened("D2-1l1h16", positions)
    try:
        found = decompile(model, sampler("D2"), FEW)
    except JaniformError as error:
        assert str(positions) in str(error)
    else:
        assert found.agreements


def test_a_model_of_fewer_positions_is_verified_on_what_it_takes():
    """Bins that a model has no positions for are left out, and the others are told."""
    found = decompile(shortened("D2-1l1h16", 60), sampler("D2"), FEW)
    assert found.level == "L3" and list(found.agreements) == ["0-50", "51-59"]


def test_the_command_prints_what_is_asked_for(capsys):
    """One JSON object with level, match, interchange, lines, program and seconds."""
    assert (
        main(["decompile", "D2-1l1h16", "--task", "D2", "--inputs", "40", "--interventions", "40", "--json"])
        == 0
    )
    printed = json.loads(capsys.readouterr().out)
    assert {"level", "match", "interchange", "lines", "program", "seconds"} <= set(printed)
    assert printed["level"] == "L3" and printed["program"] == str(shipped("D2-1l1h16").program)


def test_the_command_asks_for_the_task(capsys):
    """Without a task, and with one that is none, the error says what would work."""
    assert main(["decompile", "D2-1l1h16"]) != 0
    assert "--task" in capsys.readouterr().err
    assert main(["decompile", "D2-1l1h16", "--task", "D22"]) != 0
    assert "D2" in capsys.readouterr().err


def agreed(n, matched, right, both, chance=0):
    """An agreement on ``n`` sequences, of which only the numbers of whole sequences matter here."""
    return Agreement(n, matched, right, both, 0, 0, chance)


@pytest.mark.parametrize(
    ("several", "claimed"),
    [
        ([(100, 100, 100), (100, 100, 100), (100, 100, 100)], 3),  # everywhere the same
        ([(100, 100, 100), (95, 60, 60), (92, 10, 10)], 3),  # the same where the model errs, too
        (
            [(100, 100, 100), (95, 95, 95), (50, 50, 50)],
            2,
        ),  # right where the model is, which errs on long ones
        ([(95, 99, 95), (40, 40, 40), (0, 0, 0)], 1),
        ([(100, 100, 100), (50, 95, 50), (50, 95, 50)], 0),  # the model is right there, the program is not
        ([(100, 100, 100), (95, 95, 95), (50, 60, 40)], 0),  # not always right where the model is
        ([(70, 70, 70), (10, 10, 10), (0, 0, 0)], 0),  # the model does not answer any length
    ],
)
def test_a_program_is_claimed_for_lengths_that_the_model_answers(several, claimed):
    """Only bins that the model itself fails on are left out, and only where the program is right whenever the model is."""
    told = {
        name: agreed(100, *numbers)
        for name, numbers in zip(("short", "long", "longer"), several, strict=True)
    }
    assert answered_lengths(told) == ("short", "long", "longer")[:claimed]
    warned = list(cautions(sampler("tomita2"), told, answered_lengths(told)))
    assert len(warned) == (3 - claimed if claimed else 0)


@pytest.mark.parametrize(
    ("name", "other"), [("D2-1l1h16", "tomita2"), ("tomita7-2l1h16", "tomita4"), ("D2-1l1h16", "tomita1")]
)
def test_a_task_of_another_model_is_told(name, other):
    """A model that answers no better than a constant is said to be perhaps another task's; on its own task nothing is said."""
    assert not shipped(name).warnings
    found = decompile(load_trained(name), sampler(other), Settings(inputs=40, interventions=20))
    assert any("was it trained on this task?" in w for w in found.warnings)
    assert found.facts()["warnings"] == list(found.warnings)


def test_rules_are_looked_for_at_the_lengths_that_a_model_answers():
    """That is no limit for a model that answers all or none, and the end of the last bin that is answered for others."""
    task = sampler("D2")
    assert longest_answered(load_trained("D2-1l1h16"), task) is None
    assert longest_answered(untrained("D2-1l1h16", seed=3), task) is None
    assert longest_answered(forgetful("D2-1l1h16", 60), task) == 50
    assert longest_answered(forgetful("D2-1l1h16", 110), task) == 100
