"""``janiform export`` writes what it says, and refuses with a reason."""

import json
from pathlib import Path

import pytest

from janiform import Pair, Transformer
from janiform.cli import main


def exported(capsys, *words: str) -> dict:
    """Export, and return the one JSON object that is printed."""
    assert main(["export", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("to", "out", "files"),
    [
        (
            "gpt2",
            "folder",
            ["model.safetensors", "tokenizer.json", "tokenizer_config.json", "codec.json", "config.json"],
        ),
        ("transformer-lens", "folder", ["model.safetensors", "codec.json", "config.json"]),
        ("numpy", "folder", ["weights.npz", "model.json", "forward.py"]),
        ("circuit-json", "majority.json", ["majority.json"]),
        ("pair", "majority.safetensors", ["majority.safetensors"]),
    ],
)
def test_every_format_names_its_files(to, out, files, tmp_path, capsys):
    found = exported(capsys, "majority", "--max-len", "4", "--to", to, "--out", str(tmp_path / out))
    assert [Path(f).name for f in found["files"]] == files
    assert all(Path(f).is_file() for f in found["files"])
    if to in ("gpt2", "transformer-lens"):
        assert Transformer.from_pretrained(tmp_path / out).config.d_vocab == 4


def test_onnx_is_one_file(tmp_path, capsys):
    pytest.importorskip("onnx")
    out = str(tmp_path / "hist.onnx")
    assert exported(capsys, "hist", "--vocab", "ab", "--max-len", "3", "--to", "onnx", "--out", out)[
        "files"
    ] == [out]


def test_a_saved_pair_takes_the_shape_and_is_exported_again(tmp_path, capsys):
    pair, folder = str(tmp_path / "pair.safetensors"), str(tmp_path / "folder")
    exported(capsys, "majority", "--max-len", "4", "--to", "pair", "--shape", "gpt2", "--tied", "--out", pair)
    assert Pair.load(pair).check().good
    assert (
        exported(capsys, pair, "--to", "gpt2", "--out", folder)["d_model"]
        == Pair.load(pair).model.config.d_model
    )
    assert main(["export", pair, "--to", "gpt2", "--norm", "RMS", "--out", folder]) != 0
    assert "has a normal shape already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["sort", "--to", "gpt2", "--out", "folder"], "may look at later positions"),
        (["sort", "--to", "gpt2", "--both-ways", "--out", "folder"], "attention goes both ways"),
        (["sort", "--to", "onnx", "--out", "folder"], "writes a .onnx file"),
        (["sort", "--to", "numpy", "--tied", "--out", "folder"], "add --shape gpt2"),
    ],
)
def test_what_cannot_be_says_why(words, complaint, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["export", *words]) != 0
    assert complaint in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
