"""What is taken is the source's, what is not stays, and controls keep what they should of it."""

import numpy as np
import pytest

from janiform.errors import InputError
from janiform.model import Config, Transformer
from janiform.model.gpt2_folder import write_gpt2
from janiform.procedural.transfer import FULL, MARKS, Taken, parts_of, transfer


def model_of(seed: int, vocab: int = 9, positions: int = 6, **changed) -> Transformer:
    config = Config.gpt2(2, 2, 8, vocab=vocab, positions=positions)
    model = Transformer(Config.from_dict(config.to_dict() | changed), seed=seed)
    for name, p in model.named_parameters():
        if name != "unembed.b_U":  # no GPT-2 has one
            p.data += 0.01 * seed + 0.001 * len(name)
    return model


OLD, OTHER = model_of(1), model_of(2)


@pytest.mark.parametrize("part", ["attention", "mlp", "layernorm", "ln1"])
def test_a_part_is_taken_and_the_rest_stays(part):
    new, before = model_of(3, 5, 4), model_of(3, 5, 4).weights()
    taken = transfer(new, {part: OLD})
    assert taken and all(any(m in f".{n}" for m in MARKS[part]) for n in taken)
    for name, w in new.weights().items():
        assert (w == (OLD.weights()[name] if name in taken else before[name])).all()


def test_full_is_every_part():
    """Each weight but the unembedding's bias; positions are cut, embeddings are the mean of the old ones."""
    new, old = model_of(3, 5, 4), OLD.weights()
    taken = transfer(new, {"full": OLD})
    weights = new.weights()
    assert set(weights) - set(taken) == {"unembed.b_U"}
    assert (weights["pos_embed.W_pos"] == old["pos_embed.W_pos"][:4]).all()
    np.testing.assert_allclose(weights["embed.W_E"], np.tile(old["embed.W_E"].mean(0), (5, 1)), rtol=1e-5)
    np.testing.assert_allclose(
        weights["unembed.W_U"].T, np.tile(old["unembed.W_U"].mean(1), (5, 1)), rtol=1e-5
    )


def test_full_leaves_positions_out_where_the_context_is_longer():
    assert "pos_embed.W_pos" not in transfer(model_of(3, positions=7), {"full": OLD})
    with pytest.raises(InputError, match="6 positions cannot be taken for 7"):
        transfer(model_of(3, positions=7), {"positions": OLD})


def test_parts_of_two_models_are_mixed():
    new = model_of(3, 5, 4)
    transfer(new, {"attention": OLD, "mlp": OTHER})
    for name, w in new.weights().items():
        if ".attn." in name or ".mlp." in name:
            assert (w == (OLD if ".attn." in name else OTHER).weights()[name]).all()
    transfer(new, {"full": OLD, "mlp": OTHER})
    assert (new.weights()["blocks.1.mlp.W_in"] == OTHER.weights()["blocks.1.mlp.W_in"]).all()


def test_embeddings_are_kept_or_kept_in_part():
    same, more, fewer = model_of(3), model_of(3, 12), model_of(3, 4)
    old = OLD.weights()["embed.W_E"]
    transfer(same, {"embeddings": OLD}, embeddings="keep")
    assert (same.weights()["embed.W_E"] == old).all()
    transfer(more, {"embeddings": OLD}, embeddings="partial")
    assert (more.weights()["embed.W_E"][:9] == old).all()
    np.testing.assert_allclose(more.weights()["embed.W_E"][9:], np.tile(old.mean(0), (3, 1)), rtol=1e-5)
    assert (more.weights()["unembed.W_U"][:, :9] == OLD.weights()["unembed.W_U"]).all()
    transfer(fewer, {"embeddings": OLD}, embeddings="partial")
    assert (fewer.weights()["embed.W_E"] == old[:4]).all()
    with pytest.raises(InputError, match="embeddings of 9 tokens cannot be kept for 4; average or partial"):
        transfer(fewer, {"embeddings": OLD}, embeddings="keep")


def test_shuffled_matrices_keep_their_entries_and_lose_their_places():
    new = model_of(3)
    taken = transfer(new, {"full": OLD}, embeddings="keep", shuffle=True, seed=4)
    for name in taken:
        ours, theirs = new.weights()[name], OLD.weights()[name]
        assert (np.sort(ours, axis=None) == np.sort(theirs, axis=None)).all()
        assert (ours == theirs).all() == (".W_" not in name)


def test_noise_is_measured_in_deviations():
    new = model_of(3)
    transfer(new, {"attention": OLD, "mlp": OLD}, noise=0.5, seed=4)
    ours, theirs = new.weights()["blocks.0.mlp.W_in"], OLD.weights()["blocks.0.mlp.W_in"]
    assert 0.4 < (ours - theirs).std() / theirs.std() < 0.6


def test_the_seed_decides_controls():
    made = []
    for seed in (1, 1, 2):
        made.append(model_of(3))
        transfer(made[-1], {"attention": OLD}, shuffle=True, noise=0.1, seed=seed)
    one, same, other = (m.weights()["blocks.0.attn.W_Q"] for m in made)
    assert (one == same).all() and (one != other).any()


def test_models_are_read_from_runs_and_folders(tmp_path):
    """A run keeps its model as Hugging Face does; either folder is read."""
    write_gpt2(OLD, tmp_path / "run" / "model")
    for place in ("run", "run/model"):
        found = Taken.read(f"mlp={tmp_path / place}").load()
        assert all((found.weights()[n] == w).all() for n, w in OLD.weights().items())


def test_parts_are_named():
    names = list(OLD.weights())
    assert set(parts_of(names, FULL)) == set(names) - {"unembed.b_U"}
    assert parts_of(names, ["embeddings"]) == ["embed.W_E", "unembed.W_U"]
    assert parts_of(names, ["positions"]) == ["pos_embed.W_pos"]
    with pytest.raises(InputError, match="no weights called 'heads'; parts are attention"):
        parts_of(names, ["heads"])
    with pytest.raises(InputError, match="no part called 'ffn'; parts are full, attention"):
        Taken.read("ffn=runs/set")
    with pytest.raises(InputError, match="names no model"):
        Taken.read("mlp=")


def test_other_shapes_are_refused():
    with pytest.raises(
        InputError, match="mlp cannot be taken: .* d_mlp 16, the one that it is taken from 32"
    ):
        transfer(model_of(3, d_mlp=16), {"mlp": OLD})
