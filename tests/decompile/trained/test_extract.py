"""Claims on what is drawn and extracted: inputs fit the model, and programs answer the task where the model does."""

import numpy as np
import pytest
from known import shipped, shortened, task_of

from janiform.decompile.trained.evidence import SHORT, agree, draw
from janiform.decompile.trained.extract import Extracting, extract
from janiform.decompile.trained.needed import needed_heads
from janiform.decompile.trained.observe import interpreted, observe
from janiform.decompile.trained.verify import answers
from janiform.ir.nodes import Indices, Tokens, walk
from janiform.model.checkpoints import load_trained, names
from janiform.tasks import sampler


@pytest.mark.parametrize("positions", [60, 100, 152])
def test_what_is_drawn_fits_the_model(positions):
    """No input is longer than the model has positions, a quarter is short, and <pad> stands only at ends."""
    task, model = sampler("D2"), shortened("D2-1l1h16", positions)
    batch = draw(model, task, np.random.default_rng(0), 80, short=20)
    lengths = (batch.tokens != task.pad).sum(1)
    assert batch.tokens.shape == batch.asked.shape == batch.wanted.shape[:2]
    assert lengths.max() <= positions
    assert (lengths[:20] <= SHORT + 2).all() and lengths[20:].mean() > positions / 5
    assert (np.diff(batch.tokens == task.pad, axis=1) >= 0).all()
    assert not batch.asked[batch.tokens == task.pad].any()


@pytest.mark.parametrize("name", names())
def test_the_program_answers_the_task_as_the_model_does(name):
    """On draws that nothing was decided on the program is right, as the model is, up to three times the training length."""
    task, program = sampler(task_of(name)), shipped(name).program
    for shortest, longest in ((1, 50), (100, 140)):
        batch = task.draw(np.random.default_rng(17), 40, shortest, longest)
        mine = answers(interpreted(task, batch), program, task)
        assert agree(mine, batch.wanted, batch.asked).all(1).mean() >= 0.97


@pytest.mark.parametrize("name", ["D2-1l1h16", "tomita4-2l2h16"])
def test_extracting_twice_gives_the_same(name):
    """All draws follow from the seed."""
    task, model = sampler(task_of(name)), load_trained(name)
    one, other = (extract(model, task, Extracting(inputs=60, interventions=60)) for _ in range(2))
    assert one.found.program == other.found.program
    assert one.readings == other.readings


@pytest.mark.parametrize("name", names())
def test_a_program_reads_what_features_say(name):
    """Its variables come from the features of needed heads: nothing else is in it, so that each can be intervened on."""
    found = shipped(name)
    needed, several = set(found.extraction.needed), found.extraction.features
    assert all(set(f.heads) <= needed for f in several)
    allowed = set(walk(*(f.node for f in several))) | {Tokens(), Indices()}
    written = [n for n in walk(*found.program.outputs.values()) if type(n).__name__ in ("Count", "Aggregate")]
    assert set(written) <= allowed


@pytest.mark.parametrize("evidence", ["inputs", "behavior"])
def test_rules_without_interventions_are_an_ablation(evidence):
    """Without interventions, and even without heads, a program comes out too, and what it says is what the model says."""
    task, model = sampler("D2"), load_trained("D2-1l1h16")
    extraction = extract(model, task, Extracting(evidence=evidence, inputs=80))
    found = extraction.found
    assert any(f.heads for f in extraction.features) == (evidence == "inputs")
    batch = task.draw(np.random.default_rng(5), 40, 1, 100)
    mine = answers(interpreted(task, batch), found.program, task)
    assert agree(mine, observe(model, task, batch).said, batch.asked).all(1).mean() >= 0.95


def test_which_heads_are_needed_hangs_on_no_draw():
    """Where heads stand in for one another the same are kept on every draw, and the answers stay."""
    model, task = load_trained("tomita4-2l2h16"), sampler("tomita4")
    draws = [draw(model, task, np.random.default_rng(seed), 32, longest=60, short=8) for seed in range(4)]
    several = [needed_heads(model, task, batch) for batch in draws]
    assert {tuple(heads) for heads, _ in several} == {((0, 0), (0, 1))}
    assert all(agreed >= 0.99 for _, agreed in several)


def test_heads_taken_together_write_what_each_of_them_writes():
    """Every variable is then one of all needed heads of its layer, and the program is still what the model says."""
    name = "tomita4-2l2h16"
    task, model = sampler(task_of(name)), load_trained(name)
    found = extract(model, task, Extracting(together=True, interventions=50, rounds=0))
    written = {f.heads for f in found.features if f.heads}
    assert written == {tuple(h for h in found.needed if h[0] == layer) for layer, _ in found.needed}
    batch = draw(model, task, np.random.default_rng(5), 100, longest=60)
    mine = answers(interpreted(task, batch), found.found.program, task)
    said = observe(model, task, batch, offsets=False).said
    assert agree(mine, said, batch.asked).all(1).mean() >= 0.9
