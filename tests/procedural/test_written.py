"""Files hold the rows that were asked for, or are not there."""

import json

import numpy as np
import pytest

from janiform.errors import FileError, InputError
from janiform.procedural import files, write_rows
from janiform.tasks.procedural import read, rows

TASK = read("set(symbols=9, longest=5, shortest=2)")


@pytest.fixture
def small_pieces(monkeypatch):
    """Make files of more than one piece."""
    monkeypatch.setattr(files, "PIECE", 20 * TASK.width)


@pytest.mark.parametrize("number", [1, 20, 47])
def test_a_table_holds_the_rows(tmp_path, small_pieces, number):
    written = write_rows(TASK, number, tmp_path / "rows.npy", start=5, seed=2, split="validation")
    table = np.load(tmp_path / "rows.npy", mmap_mode="r")
    some = rows(TASK, 5, 5 + number, seed=2, split="validation")
    for name in ("tokens", "begin", "end"):
        assert (table[name] == getattr(some, name)).all()
    assert written.tokens == number * TASK.width and [p.name for p in tmp_path.iterdir()] == ["rows.npy"]


def test_a_parquet_file_holds_the_rows(tmp_path, small_pieces):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is absent")
    write_rows(TASK, 47, tmp_path / "rows.parquet")
    table, some = parquet.read_table(tmp_path / "rows.parquet"), rows(TASK, 0, 47)
    assert {n: table[n].to_pylist() for n in table.column_names} == {
        "tokens": some.tokens.tolist(),
        "begin": some.begin.tolist(),
        "end": some.end.tolist(),
    }
    about = json.loads(table.schema.metadata[b"janiform"])
    assert read(about["task"]) == TASK and about["pad"] == TASK.pad and about["start"] == 0


@pytest.mark.parametrize("name", ["rows.npy", "rows.parquet"])
def test_an_interrupted_file_is_not_there(tmp_path, small_pieces, name):
    """ctrl-C between pieces leaves nothing, and what was there before stays."""
    pytest.importorskip("pyarrow", reason="pyarrow is absent")
    (tmp_path / name).write_text("before")

    def tell(done: int, total: int) -> None:
        if done >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_rows(TASK, 47, tmp_path / name, tell=tell)
    assert [p.read_text() for p in tmp_path.iterdir()] == ["before"]


def test_files_of_other_kinds_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"a \.npy or a \.parquet file, not to .*rows\.txt"):
        write_rows(TASK, 1, tmp_path / "rows.txt")
    with pytest.raises(InputError, match="1 row to make or more, not 0"):
        write_rows(TASK, 0)


@pytest.mark.parametrize("name", ["rows.npy", "rows.parquet"])
def test_a_folder_that_is_not_there_is_told(tmp_path, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    with pytest.raises(FileError, match=rf"nowhere/{name} cannot be written: .*[Nn]o such file"):
        write_rows(TASK, 1, tmp_path / "nowhere" / name)
