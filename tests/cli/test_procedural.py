"""``janiform generate`` writes rows and says what they are."""

import json

import numpy as np

from janiform.cli import main
from janiform.tasks.procedural import read, rows


def test_generate_writes_what_it_says(tmp_path, capsys):
    path, text = tmp_path / "rows.npy", "3*set(longest=9) + union(longest=9)"
    assert main(["generate", text, "--rows", "50", "--start", "4", "--out", str(path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (np.load(path)["tokens"] == rows(read(text), 4, 54).tokens).all()
    assert (facts["rows"], facts["width"], facts["tokens"], facts["file"]) == (50, 19, 950, str(path))
    assert read(facts["task"]) == read(text) and facts["tokens_per_second"] > 0


def test_generate_reads_for_people(capsys):
    assert main(["generate", "dyck(length=64)", "--rows", "10", "--split", "validation"]) == 0
    shown = capsys.readouterr().out
    assert "10, validation, from number 0 of seed 0" in shown and "M tokens/s of CPU" in shown


def test_generate_refuses_what_is_no_task(capsys):
    assert main(["generate", "dick", "--json"]) == 1
    assert "(dyck?)" in json.loads(capsys.readouterr().out)["error"]
