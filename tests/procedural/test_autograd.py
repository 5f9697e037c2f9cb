"""Autograd behind the same seam: the gradients of the compiled step, in pieces, in bfloat16, and with parts frozen."""

import numpy as np
import pytest
import torch

from janiform.errors import InputError
from janiform.model import Config, Transformer
from janiform.procedural import Autograd, Budget, Descent, Step
from janiform.procedural.engine import choose
from janiform.procedural.source import Made
from janiform.tasks.procedural import read, rows

TASK = read("set(symbols=9, longest=7, shortest=2)")


def model_of(width: int = 16, seed: int = 0) -> Transformer:
    torch.set_num_threads(1)
    return Transformer(Config.gpt2(2, 4, width, vocab=TASK.d_vocab, positions=TASK.width), seed=seed)


def gradients(engine, some) -> dict[str, torch.Tensor]:
    engine.backward(some)
    return {n: p.grad.clone() for n, p in engine.trained.items()}


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("accumulate", [1, 4])
def test_both_engines_agree(tied, accumulate):
    """Losses, right answers and gradients, however a batch is cut."""
    some = rows(TASK, 0, 32)
    fast = Step(model_of(), tied=tied)
    slow = Autograd(model_of(), tied=tied, accumulate=accumulate)
    wanted, found = gradients(fast, some), gradients(slow, some)
    assert set(wanted) == set(found)
    for name in wanted:
        torch.testing.assert_close(wanted[name], found[name], rtol=1e-4, atol=1e-6)
    one, other = fast.evaluate(some), slow.evaluate(some)
    assert (one.targets, one.right) == (other.targets, other.right)
    assert one.loss == pytest.approx(other.loss, rel=1e-5)


@pytest.mark.parametrize("kind", [Step, Autograd])
def test_in_a_tie_none_is_right(kind):
    """Embeddings that are all alike give every token the same logit."""
    model = model_of()
    model.embed.W_E.data[:] = model.embed.W_E.data[0]
    assert kind(model).evaluate(rows(TASK, 0, 32)).right == 0


def test_bfloat16_is_near():
    """Gradients point where those of float32 do, and weights stay float32."""
    some = rows(TASK, 0, 32)
    exact, rough = Autograd(model_of()), Autograd(model_of(), precision="bfloat16")
    wanted, found = gradients(exact, some), gradients(rough, some)
    assert any((wanted[n] != found[n]).any() for n in wanted)
    one, other = (torch.cat([g.flatten() for g in made.values()]) for made in (wanted, found))
    assert torch.cosine_similarity(one, other, dim=0) > 0.999
    assert all(p.dtype == torch.float32 for p in rough.trained.values())


@pytest.mark.parametrize("kind", [Step, Autograd])
def test_what_is_frozen_stays(kind):
    frozen = {"embed.W_E", "blocks.0.mlp.W_in"}
    engine = kind(model_of(), frozen=frozen)
    before = engine.model.weights()
    descent = Descent(engine, Made(TASK), Budget(batch=8, steps=3, warmup=0, held=10))
    for _ in range(3):
        descent.advance()
    after = engine.model.weights()
    same = {n for n in before if np.array_equal(before[n], after[n])}
    assert same == {*frozen, "unembed.W_U", "unembed.b_U"}


@pytest.mark.parametrize("kind", [Step, Autograd])
def test_a_step_is_that_of_an_optimizer_of_each_parameter(kind):
    """Parameters lie side by side in a training; rate, decay, clipping and batches are as if each lay alone."""
    budget = Budget(batch=8, steps=40, warmup=3, rate=1e-3, decay=0.1, clip=0.5, held=10)
    engine, other, source = kind(model_of()), kind(model_of()), Made(TASK)
    descent = Descent(engine, source, budget, {"pos_embed.W_pos": 0.5})
    groups = [
        {"params": [p], "weight_decay": 0.1 * ("W" in n), "rate": 0.5 if "W_pos" in n else 1.0}
        for n, p in other.trained.items()
    ]
    optimizer = torch.optim.AdamW(groups)
    for step in range(5):
        descent.advance()
        other.backward(source.rows(step * 8, step * 8 + 8))
        torch.nn.utils.clip_grad_norm_(other.trained.values(), 0.5)
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * budget.rate_at(step)
        optimizer.step()
    # The gradient of b_K is 0 but for rounding, which AdamW makes as large as any.
    for name in engine.trained.keys() - {f"blocks.{i}.attn.b_K" for i in range(2)}:
        assert (engine.trained[name] - other.trained[name]).abs().max() < 1e-5, name


@pytest.mark.parametrize("kind", [Step, Autograd])
def test_a_restored_state_goes_on_to_the_same_weights(kind):
    def started() -> Descent:
        return Descent(kind(model_of()), Made(TASK), Budget(batch=8, steps=9, warmup=2, every=4, held=10))

    def finish(descent: Descent) -> tuple[list[int], dict[str, np.ndarray]]:
        seen = []
        while True:
            if descent.due:
                descent.validate()
                seen.append(descent.step)
            if descent.ended:
                return seen, descent.engine.model.weights()
            descent.advance()

    seen, wanted = finish(started())
    assert seen == [0, 4, 8, 9]
    for stop in (0, 3, 4):
        half = started()
        while half.step < stop or half.due:
            if half.due:
                half.validate()
            if half.step < stop:
                half.advance()
        tensors, facts = half.state()
        again = started()
        again.restore({n: t.detach().clone() for n, t in tensors.items()}, facts)
        seen, found = finish(again)
        assert seen == [s for s in (4, 8, 9) if s > stop]
        assert all((found[n] == wanted[n]).all() for n in wanted)


def test_the_way_is_chosen():
    assert choose(model_of(), "auto") == "compiled"
    assert choose(model_of(), "auto", plain=False) == choose(model_of(64), "auto") == "autograd"
    assert choose(model_of(64), "compiled") == "compiled"
    with pytest.raises(InputError, match="of one process, on the CPU, in float32"):
        choose(model_of(), "compiled", plain=False)


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="10 rows cannot be divided among 1 processes in 3 pieces"):
        Autograd(model_of(), accumulate=3).backward(rows(TASK, 0, 10))
    with pytest.raises(InputError, match="precision is float32 or bfloat16"):
        Autograd(model_of(), precision="float16")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="15 positions and ids below 11"):
        Autograd(model_of()).evaluate(rows(read("haystack(pairs=4, symbols=20)"), 0, 5))
