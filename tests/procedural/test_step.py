"""The compiled step: losses and gradients are autograd's, whatever the task, the shape and the batch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from janiform.errors import InputError
from janiform.model import Config, Transformer
from janiform.procedural import Step, network
from janiform.procedural.feeding import labels
from janiform.tasks.procedural import Rows, read, rows

TASKS = [
    "haystack",
    "haystack(pairs=5, symbols=20)",
    "set(symbols=9, longest=7, shortest=2)",
    "delete(symbols=33, longest=12)",
    "dyck(kinds=3, length=20)",
    "eca(cells=7, states=3)",
    "addition(digits=2)",
    "shuffled(stack(symbols=9, longest=8, shortest=3))",
    "apart(set(symbols=6, longest=5) + dyck(kinds=2, length=8))",
]


def model_for(task, layers=2, heads=4, width=16, deviation=0.3) -> Transformer:
    """A model whose weights, biases and gains are all far from where they begin."""
    config = Config.gpt2(layers, heads, width, vocab=task.d_vocab, positions=task.width + 3)
    model, draw = Transformer(config, seed=None), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(torch.randn(p.shape, generator=draw) * deviation + name.endswith(".w"))
    return model


def by_autograd(model: Transformer, some: Rows, tied: bool) -> tuple[float, int, dict[str, torch.Tensor]]:
    """Loss, targets that are right, and gradients, as anybody would compute them with torch."""
    model.zero_grad(set_to_none=True)
    x, y = torch.from_numpy(some.tokens.astype(np.int64)), torch.from_numpy(labels(some))[:, 1:]
    stream = model.ln_final(model.stream(x[:, :-1]))
    logits = stream @ model.embed.W_E.T if tied else model.unembed(stream)
    loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
    loss.backward()
    right = int((logits.argmax(-1) == y).sum())
    return loss.item(), right, {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def check(task, model: Transformer, some: Rows, tied: bool = True) -> None:
    loss, right, wanted = by_autograd(model, some, tied)
    step = Step(model, tied=tied)
    outcome = step.backward(some)
    assert outcome.targets == (some.end - some.begin).sum() and outcome.right == right
    assert abs(outcome.loss - loss) < 1e-5 * max(loss, 1)
    assert set(step.parameters) == set(wanted)
    largest = max(g.abs().max() for g in wanted.values())
    for name, p in step.parameters.items():
        assert p.grad is not None and p.grad.shape == p.shape
        # that of b_K is 0 but for rounding: a shift of every key shifts all scores of a query alike
        assert (p.grad - wanted[name]).abs().max() < 1e-5 * max(wanted[name].abs().max(), largest / 10), name
    evaluated = step.evaluate(some)
    assert evaluated == outcome


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("text", TASKS)
def test_gradients_are_autograds(text, tied):
    """Every parameter's gradient, to 1e-5 of its largest entry, and the loss and the count of right answers."""
    task = read(text)
    check(task, model_for(task), rows(task, 0, 37), tied)


@pytest.mark.parametrize(
    ("layers", "heads", "width"), [(1, 1, 4), (1, 2, 8), (3, 4, 32), (2, 1, 20), (2, 8, 64)]
)
def test_shapes_of_models(layers, heads, width):
    task = read("set(symbols=9, longest=7, shortest=2)")
    check(task, model_for(task, layers, heads, width, 0.15), rows(task, 0, 40))


@pytest.mark.parametrize("number", [1, 2, 15, 16, 17, 33])
def test_batches_of_any_size(number):
    task = read("haystack(pairs=5, symbols=20)")
    check(task, model_for(task), rows(task, 0, number))


@pytest.mark.parametrize("places", [1, 20, 100, 5000])
def test_however_many_sequences_go_side_by_side(places, monkeypatch):
    """One at a time, whole turns of a loop, or all at once: the outcome is the same, and fits in its memory."""
    monkeypatch.setattr(network, "PLACES", places)
    task = read("set(symbols=9, longest=7, shortest=2)")
    check(task, model_for(task), rows(task, 0, 300))
    tape = network.Tape.of(model_for(task).config, task.width)
    assert all(1 <= tape.lanes(n) and n * tape.lanes(n) <= tape.places for n in range(1, task.width))


def test_gradients_at_the_beginning_of_training():
    """Published sizes: haystack of 30 pairs, two blocks of four heads, width 16, weights of deviation 0.02."""
    task = read("haystack")
    model = Transformer(Config.gpt2(2, 4, 16, vocab=256, positions=100), seed=None)
    model.initialize(0, 0.02)
    some = rows(task, 0, 250)
    _, _, wanted = by_autograd(model, some, True)
    Step(model).backward(some)
    for name, gradient in wanted.items():
        assert (dict(model.named_parameters())[name].grad - gradient).abs().max() < 1e-6


def test_large_scores_are_no_trouble():
    """Attention that is all but hard, and saturated GELUs, give the same as autograd, and nothing infinite."""
    task = read("set(symbols=9, longest=7, shortest=2)")
    model = model_for(task, deviation=3.0)
    some = rows(task, 0, 30)
    loss, right, _ = by_autograd(model, some, True)
    outcome = Step(model).backward(some)
    assert outcome.right == right and abs(outcome.loss - loss) < 1e-4 * loss
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_a_step_reads_the_parameters_as_they_are():
    """An optimizer that changes parameters in place changes the next outcome; long rows after short ones have room."""
    task = read("haystack(pairs=9, symbols=40)")
    model = model_for(task)
    step, some = Step(model), rows(task, 0, 20)
    few = Rows(some.tokens[:3, :12], np.full(3, 4, np.int32), np.full(3, 12, np.int32))
    first, before = step.evaluate(few), step.evaluate(some)
    step.backward(some)
    torch.optim.SGD(step.parameters.values(), lr=0.01).step()
    assert step.evaluate(some).loss < before.loss and step.evaluate(few) != first


def test_tie_makes_the_model_give_the_trained_logits():
    task = read("haystack(pairs=4, symbols=20)")
    model, some = model_for(task), rows(task, 0, 50)
    step = Step(model)
    step.tie()
    loss, right, _ = by_autograd(model, some, tied=False)
    outcome = step.evaluate(some)
    assert abs(outcome.loss - loss) < 1e-5 and outcome.right == right


def test_rows_without_targets_give_nothing():
    task = read("haystack(pairs=4, symbols=20)")
    model, some = model_for(task), rows(task, 0, 5)
    step = Step(model)
    outcome = step.backward(Rows(some.tokens, some.begin, some.begin))
    assert (outcome.loss, outcome.targets, outcome.accuracy) == (0, 0, 0)
    assert all((p.grad == 0).all() for p in step.parameters.values())


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"act_fn": "relu"}, "act_fn 'gelu_new'; got 'relu'"),
        ({"normalization_type": None}, "normalization_type 'LN'; got None"),
        ({"dtype": "float64"}, "dtype 'float32'"),
        ({"d_model": 18}, r"multiples of 4; got \(18, 16, 64\)"),
        ({"n_layers": 0}, "got 0 blocks"),
    ],
)
def test_other_models_are_refused(changed, says):
    config = Config.gpt2(2, 4, 16, vocab=20, positions=11)
    with pytest.raises(InputError, match=says):
        Step(Transformer(Config.from_dict(config.to_dict() | changed)))


def test_rows_beyond_the_model_are_refused():
    task = read("haystack(pairs=4, symbols=20)")
    step = Step(Transformer(Config.gpt2(1, 4, 16, vocab=20, positions=9)))
    with pytest.raises(InputError, match="9 positions and ids below 20; got rows of 11 tokens"):
        step.evaluate(rows(task, 0, 3))
