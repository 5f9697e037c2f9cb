"""``janiform decompile FILE``: the program on standard output, six facts as JSON, exit code 0 only where all agree."""

from __future__ import annotations

import json

import numpy as np
import pytest

import janiform as jf
from janiform.cli import main
from janiform.model import checkpoint

HIST = "hist = selector_width(select(tokens, tokens, ==));"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A pair, a model without names, and plain arrays, all of one program."""
    folder = tmp_path_factory.mktemp("weights")
    pair = jf.parse(HIST).compile("abc", 4)
    pair.save(folder / "pair.safetensors")
    checkpoint.save(pair.model, folder / "model.safetensors")
    np.savez(folder / "arrays.npz", **pair.model.weights())
    return folder


def test_a_pair_prints_six_facts(files, capsys):
    assert main(["decompile", str(files / "pair.safetensors"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert set(facts) == {"program", "method", "exact", "checked", "exhaustive", "seconds"}
    assert facts["program"] == HIST + "\n"
    assert (facts["method"], facts["exact"], facts["checked"], facts["exhaustive"]) == (
        "exact",
        True,
        120,
        True,
    )


@pytest.mark.parametrize("name", ["model.safetensors", "arrays.npz"])
def test_weights_without_names_take_names_from_options(files, capsys, name):
    words = ["decompile", str(files / name), "--vocab", "abc", "--classes", "1,2,3,4", "--json"]
    assert main(words) == 0
    assert "selector_width(select(tokens, tokens, ==));" in json.loads(capsys.readouterr().out)["program"]


def test_a_folder_gets_program_and_result(files, tmp_path, capsys):
    assert main(["decompile", str(files / "pair.safetensors"), "--out", str(tmp_path / "found")]) == 0
    assert "weight distance" in capsys.readouterr().out
    assert jf.parse((tmp_path / "found" / "program.rasp").read_text())("aab") == [2, 2, 1]
    assert json.loads((tmp_path / "found" / "result.json").read_text())["roles"]["bos"] == 3


@pytest.mark.parametrize("content", [b"", b"nothing of the kind"])
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_file_of_something_else_is_refused(tmp_path, capsys, content, suffix):
    (tmp_path / f"x{suffix}").write_bytes(content)
    assert main(["decompile", str(tmp_path / f"x{suffix}"), "--json"]) == 1
    assert "error" in json.loads(capsys.readouterr().out)
