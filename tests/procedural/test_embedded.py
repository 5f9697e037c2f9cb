"""A program in a wider model computes what it computed, before any step; parts of it leave the rest as it was."""

import numpy as np
import pytest
import torch

from janiform import programs
from janiform.errors import InputError, JaniformError
from janiform.ir.semantics import Signature
from janiform.model import Config, Transformer
from janiform.procedural import Step, Training, embed, resume, run
from janiform.procedural.embedded import CONSTANT, Subspace
from janiform.procedural.from_program import program_of
from janiform.tasks.procedural import known, read, rows

IDENTITY = "identity(symbols=6, longest=8)"
HAYSTACK = "haystack(pairs=4, symbols=20)"


def noise_of(task: str, layers: int = 2, width: int = 32, seed: int = 0) -> Transformer:
    """Return a model as trainings begin with."""
    source = read(task)
    model = Transformer(
        Config.gpt2(layers, 2, width, vocab=source.d_vocab, positions=source.width), seed=None
    )
    model.initialize(seed, 0.02)
    return model


def program_behind(task: str):
    return program_of(task.partition("(")[0], task, read(task).width)


@pytest.mark.parametrize(("task", "least"), [(IDENTITY, 0.99), (HAYSTACK, 0.98)])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_whole_program_is_right_before_it_saw_a_token(task, least, seed):
    """Heads, units and embeddings that are not the program's are noise, and do not disturb it."""
    torch.set_num_threads(1)
    model, program = noise_of(task, seed=seed), program_behind(task)
    taken = embed(model, *program, spelling=known(read(task)).tokens, seed=seed)
    assert {"embed.W_E", "pos_embed.W_pos", "blocks.1.attn.W_O", "ln_final.w", "unembed.W_U"} <= set(taken)
    assert Step(model, tied=False).evaluate(rows(read(task), 0, 500, split="validation")).accuracy >= least


def test_a_model_of_more_blocks_passes_the_answer_on():
    model, program = noise_of(IDENTITY, layers=4), program_behind(IDENTITY)
    embed(model, *program, spelling=known(read(IDENTITY)).tokens)
    assert Step(model, tied=False).evaluate(rows(read(IDENTITY), 0, 200)).accuracy > 0.99


def test_attention_alone_changes_the_programs_heads_and_what_others_write_beside_it():
    model, before = noise_of(HAYSTACK), noise_of(HAYSTACK).weights()
    taken = embed(model, *program_behind(HAYSTACK), parts=["attention"])
    weights = model.weights()
    assert taken and all(".attn." in name for name in taken)
    for name, w in weights.items():
        assert name in taken or (w == before[name]).all()
    # The haystack's program has one head a layer; the other keeps its queries.
    assert (weights["blocks.0.attn.W_Q"][1] == before["blocks.0.attn.W_Q"][1]).all()
    assert abs(weights["blocks.0.attn.W_Q"][0] - before["blocks.0.attn.W_Q"][0]).max() > 1


def test_the_subspace_is_of_mean_zero_and_holds_what_is_written_to_it():
    s = Subspace.draw(np.array([1.0, 8.0, 100.0]), 12, seed=3)
    stream = np.random.default_rng(0).normal(size=(5, 12))
    np.testing.assert_allclose(s.write @ s.read, np.eye(3), atol=1e-12)
    np.testing.assert_allclose([*s.write.sum(1), s.one.sum()], 0, atol=1e-12)
    np.testing.assert_allclose(s.without(stream) @ s.read, 0, atol=1e-12)
    np.testing.assert_allclose(s.without(stream) @ s.one, 0, atol=1e-12)
    assert abs(s.write[2]).max() < 0.011  # 100 at most, so 1 at most in the stream


def test_controls_shuffle_or_blur_the_program():
    plain, shuffled, again, blurred = (noise_of(HAYSTACK) for _ in range(4))
    program = program_behind(HAYSTACK)
    embed(plain, *program, parts=["attention"])
    embed(shuffled, *program, parts=["attention"], shuffle=True)
    embed(again, *program, parts=["attention"], shuffle=True)
    embed(blurred, *program, parts=["attention"], noise=0.1)
    one, other, same, near = (m.weights()["blocks.1.attn.W_K"][0] for m in (plain, shuffled, again, blurred))
    np.testing.assert_allclose(np.sort(one, axis=None), np.sort(other, axis=None))
    assert (one != other).any() and (other == same).all()
    assert 0 < abs(near - one).std() < 0.2 * one.std()


def test_positions_hold_the_constant_that_norms_divide_by():
    model = noise_of(IDENTITY)
    embed(model, *program_behind(IDENTITY), parts=["positions", "layernorm"])
    weights = model.weights()
    for place in ("ln_final", "blocks.1.ln2"):
        assert (weights[f"{place}.w"][2:] == CONSTANT).all() and (weights[f"{place}.w"][:2] == 0.25).all()
    with torch.no_grad():
        scale = model.pos_embed.W_pos.pow(2).mean(1).sqrt()
    np.testing.assert_allclose(scale, CONSTANT, rtol=1e-2)


def test_a_training_begins_with_a_program_and_is_resumed(tmp_path):
    """All that an interrupted training depends on is in its folder, the names that it took too."""
    budget = {"steps": 6, "batch": 8, "every": 3, "held": 100, "rate": 1e-5}
    plan = Training.of(
        {
            "task": IDENTITY,
            "width": 32,
            "heads": 2,
            "untied": True,
            "from_program": [IDENTITY],
            "budget": budget,
        }
    )
    whole = run(plan)
    assert whole.curve[0].accuracy > 0.99 and "blocks.0.attn.W_Q" in whole.taken

    def stop(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(plan, tmp_path / "run", tell=stop)
    found = resume(tmp_path / "run")
    assert found.taken == whole.taken
    assert all((w == whole.model.weights()[n]).all() for n, w in found.model.weights().items())


def test_a_larger_program_bears_that_all_else_is_trained():
    """What other heads and units learn to write into its subspace is small beside it."""
    held = {}
    for amplitude in (1.0, 100.0):
        found = run(
            Training.of(
                {
                    "task": HAYSTACK,
                    "width": 24,
                    "untied": True,
                    "from_program": ["haystack"],
                    "amplitude": amplitude,
                    "freeze": ["attention", "positions", "layernorm", "embeddings"],
                    "budget": {"steps": 60, "batch": 64, "warmup": 10, "every": 20, "held": 200},
                }
            )
        )
        held[amplitude] = [p.accuracy for p in found.curve]
    assert held[1.0][0] > 0.98 and min(held[1.0]) < 0.7
    assert min(held[100.0]) > 0.9


def test_programs_are_named_by_task_by_library_or_by_pair(tmp_path):
    named = program_of("identity", IDENTITY, 18)
    assert named == program_of(IDENTITY, "sort", 18) and named[0] == programs.load("copy")
    program, signature = program_of("induction", "", 9)
    assert program == programs.load("induction") and signature.max_len == 9 and signature.causal
    program.compile("ab", 5, causal=True).save(tmp_path / "pair.safetensors")
    assert program_of(str(tmp_path / "pair.safetensors"), "", 9) == (program, Signature("ab", 5, True))


@pytest.mark.parametrize(
    ("width", "text", "says"),
    [
        (16, IDENTITY, "the program takes d_model 2. or more, not 16"),
        (32, "heads=identity", "no part called 'heads'"),
        (32, "attention+positions=identity", "take both or neither"),
        (32, "multiplication", "no program of the library is behind multiplication"),
        (32, "sett", "the library has no program 'sett'"),
    ],
)
def test_what_cannot_be_embedded_is_refused(width, text, says):
    settings = {"task": IDENTITY, "width": width, "heads": 2, "untied": True, "from_program": [text]}
    with pytest.raises(JaniformError, match=says):
        run(Training.of(settings))


def test_tied_weights_have_no_room_for_a_read_out():
    with pytest.raises(InputError, match="give --untied"):
        run(Training.of({"task": IDENTITY, "width": 32, "heads": 2, "from_program": ["identity"]}))


def test_a_program_that_looks_ahead_is_refused():
    with pytest.raises(InputError, match="compile the program with --causal"):
        embed(noise_of(IDENTITY), programs.load("reverse"), Signature("ab", 5))
