"""Data sets of pairs: what they keep, that they go on where they were stopped, and that their parts have nothing in common."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

import janiform as jf
from janiform.cli import main
from janiform.decompile.dataset import Dataset, Plan, make, split_of
from janiform.decompile.dataset.export import COLUMNS, to_datasets, to_parquet
from janiform.decompile.dataset.sampling import Sampler
from janiform.decompile.dataset.verify import disagreeing, inputs
from janiform.errors import FileError, InputError
from janiform.ir.canonical import behavior_hash, canonical, canonical_hash
from janiform.ir.canonical.form import behavior
from janiform.ir.sample import size_of

PLAN = Plan(vocab=3, max_len=3, largest=6, shard=12, inputs=39)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set."""
    torch.set_num_threads(1)
    where = tmp_path_factory.mktemp("dataset")
    make(where, 30, PLAN, executor="serial", progress=False)
    return where


def test_every_program_is_as_it_is_said_to_be(folder: Path) -> None:
    """Hashes, sizes and weights of what was stored are those of the program that is read back."""
    found = Dataset.open(folder)
    assert len(found) >= 30
    for e in found.entries[:12]:
        p = e.program
        assert canonical_hash(p, found.signature) == e.canonical
        assert behavior_hash(p, found.signature) == e.behavior
        assert size_of(canonical(p, found.signature)) == e.size and 1 <= e.size <= 6
        assert p.compile(signature=found.signature).check().good


def test_no_two_programs_are_alike(folder: Path) -> None:
    """Forms and behaviors are different each, and no output is constant or mostly undefined."""
    found = Dataset.open(folder)
    assert len({e.canonical for e in found}) == len({e.behavior for e in found}) == len(found)
    for e in found:
        values = [v for x in ("0", "12", "210") for v in e.program([int(c) for c in x])]
        outcomes = next(iter(behavior(e.program, found.signature).values()))
        assert len(outcomes.values) > 1 and len(values) == 6


def test_parts_have_nothing_in_common(folder: Path) -> None:
    """The split is a function of behavior, which a canonical form decides, so the parts are apart in both."""
    facts = Dataset.open(folder).facts()
    assert facts["common_forms"] == facts["common_behaviors"] == 0
    assert facts["train"] + facts["test"] == facts["programs"]
    a, b = jf.parse("x = indices + 1 > 1;"), jf.parse("y = not (indices == 0);")
    s = PLAN.signature
    assert canonical_hash(a, s) == canonical_hash(b, s)
    assert split_of(behavior_hash(a, s)) == split_of(behavior_hash(b, s))


def test_making_goes_on_where_it_was_stopped(folder: Path, tmp_path: Path) -> None:
    """A shard that is gone is made again with the same content; what is there is not touched; another plan is refused."""
    other = tmp_path / "copy"
    shutil.copytree(folder, other)
    before = {p.name: p.stat().st_mtime_ns for p in (other / "programs").iterdir()}
    gone = sorted((other / "runs").glob("*.json"))[0]
    name = json.loads(gone.read_text())["result"]["file"]
    (other / "programs" / f"{name}.jsonl").unlink()
    with pytest.raises(FileError, match="make it again"):
        Dataset.open(other)
    gone.unlink()
    again = make(other, 30, PLAN, executor="serial", progress=False)
    assert [e.canonical for e in again] == [e.canonical for e in Dataset.open(folder)]
    after = {p.name: p.stat().st_mtime_ns for p in (other / "programs").iterdir()}
    assert {k for k in before if before[k] != after[k]} == {f"{name}.jsonl"}
    with pytest.raises(InputError, match="begun with max_len=3"):
        make(other, 30, Plan(vocab=3, max_len=4, largest=6, shard=12, inputs=39), executor="serial")


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["processes:2", "dask"])
def test_executors_make_the_same(folder: Path, tmp_path: Path, executor: str) -> None:
    """Worker processes and Dask make what one process makes."""
    made = make(
        tmp_path, 30, PLAN, executor=executor, workers=1 if executor == "dask" else None, progress=False
    )
    assert [e.json for e in made] == [e.json for e in Dataset.open(folder)]


def test_export_keeps_everything(folder: Path, tmp_path: Path) -> None:
    """Parquet and datasets hold the columns of every program, the parts apart."""
    found = Dataset.open(folder)
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = parquet.read_table(to_parquet(found, tmp_path / "x.parquet")).to_pylist()
    assert [r["canonical"] for r in rows] == [e.canonical for e in found] and tuple(rows[0]) == COLUMNS
    assert jf.parse(rows[0]["program"]) is not None
    datasets = pytest.importorskip("datasets")
    parts = datasets.load_from_disk(str(to_datasets(found, tmp_path / "hf")))
    assert [r["behavior"] for r in parts["test"]] == [e.behavior for e in found.part("test")]


def test_wrong_weights_are_seen() -> None:
    """A model whose weights are another program's disagrees."""
    signature = jf.Signature(range(5), 5)
    p, q = jf.parse("output = indices;"), jf.parse("output = length - 1 - indices;")
    outcomes = behavior(p, signature)["output"]
    given = inputs(signature, 100)
    assert disagreeing(p.compile(signature=signature), outcomes, given) == 0
    assert disagreeing(q.compile(signature=signature), outcomes, given) > 50
    assert len(inputs(signature, 10**6)) == 3905


def test_what_cannot_be_is_refused() -> None:
    """Signatures whose inputs cannot be run, and sizes that are none."""
    with pytest.raises(InputError, match="more than 20,000 inputs"):
        Sampler(jf.Signature(range(20), 10), (1, 4), seed=0)
    with pytest.raises(InputError, match="sizes go from 1"):
        Sampler(jf.Signature(range(3), 3), (4, 2), seed=0)


def test_the_command_tells_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``dataset make`` and ``dataset info`` print one and the same JSON object; a folder without one is an error."""
    words = [
        "--count",
        "4",
        "--vocab",
        "2",
        "--max-len",
        "3",
        "--sizes",
        "1-3",
        "--shard",
        "4",
        "--inputs",
        "14",
    ]
    assert main(["dataset", "make", str(tmp_path / "d"), *words, "--executor", "serial", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert main(["dataset", "info", str(tmp_path / "d"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == made and made["programs"] >= 4
    assert main(["dataset", "info", str(tmp_path / "none"), "--json"]) == 1
    assert "holds no data set" in capsys.readouterr().err
