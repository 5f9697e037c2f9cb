"""A stock GPT2LMHeadModel, loaded by Hugging Face from the exported folder, gives the interpreter's answers."""

import json
import zlib

import numpy as np
import pytest
import torch
from elsewhere import checked

from janiform import CompileError, FileError, InputError, Pair, Transformer, programs
from janiform.interop.huggingface import save_gpt2

transformers = pytest.importorskip("transformers")


def gpt2(name: str, **settings) -> Pair:
    """A library program in GPT-2's shape, tied or not by the flip of a coin; skips what looks ahead."""
    settings = {"tied": bool(zlib.crc32(name.encode()) % 2), **settings}
    try:
        return programs.load(name).compile(signature=programs.entry(name).signature).to_gpt2(**settings)
    except CompileError as e:
        assert "look at later positions" in str(e)
        pytest.skip("it looks ahead, and no GPT-2 does")


def test_the_stock_model_answers_as_the_interpreter(name, tmp_path):
    pair = gpt2(name)
    save_gpt2(pair, tmp_path)
    theirs, loading = transformers.GPT2LMHeadModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(loading.values())
    assert theirs.dtype == getattr(torch, pair.model.config.dtype)

    def run(ids: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return theirs.eval()(torch.from_numpy(ids)).logits.numpy()

    report = checked(pair, run)
    assert report.good, report
    assert report.error <= pair.bound.error < pair.bound.margin


@pytest.mark.parametrize("tied", [False, True])
def test_its_most_likely_token_is_the_answer(tied, tmp_path):
    pair = gpt2("previous_token", tied=tied)
    save_gpt2(pair, tmp_path)
    theirs = transformers.GPT2LMHeadModel.from_pretrained(tmp_path).eval()
    words = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert theirs.config.tie_word_embeddings == tied
    given = words("c a b", return_tensors="pt")
    assert torch.equal(given["input_ids"], pair.encode("cab"))
    with torch.no_grad():
        answer = theirs(**given).logits.argmax(-1)[0, 1:]
    assert words.convert_ids_to_tokens(answer.tolist()) == ["BOS", "c", "a"]


def test_a_word_that_is_no_token_is_refused(tmp_path):
    save_gpt2(gpt2("previous_token"), tmp_path)
    with pytest.raises(Exception, match="vocabulary"):
        transformers.AutoTokenizer.from_pretrained(tmp_path)("c z")


@pytest.mark.parametrize("tied", [False, True])
def test_what_is_written_is_read_again(tied, tmp_path):
    pair = gpt2("majority", tied=tied)
    save_gpt2(pair, tmp_path)
    again = Transformer.from_pretrained(tmp_path)
    assert again.config == pair.model.config
    assert all(np.array_equal(w, pair.model.weights()[n]) for n, w in again.weights().items())


def test_what_they_write_is_what_we_wrote(tmp_path):
    pair = gpt2("majority", tied=True)
    save_gpt2(pair, tmp_path / "ours")
    transformers.GPT2LMHeadModel.from_pretrained(tmp_path / "ours").save_pretrained(tmp_path / "theirs")
    again = Transformer.from_pretrained(tmp_path / "theirs")
    assert all(np.array_equal(w, pair.model.weights()[n]) for n, w in again.weights().items())
    ours, theirs = (json.loads((tmp_path / w / "config.json").read_text()) for w in ("ours", "theirs"))
    assert {k: theirs.get(k) for k in ours if k in theirs} == {k: v for k, v in ours.items() if k in theirs}


def test_a_model_of_another_shape_is_refused_with_all_reasons(tmp_path):
    with pytest.raises(InputError, match="normalization is None, not LN; attention goes both ways;.* a bias"):
        save_gpt2(programs.load("reverse").compile("ab", 4), tmp_path)


def test_a_place_that_cannot_be_a_folder_is_named(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(FileError, match="taken cannot be a folder"):
        save_gpt2(gpt2("majority"), tmp_path / "taken")
