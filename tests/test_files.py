"""A file is there whole or not at all."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from janiform.files import write_whole
from janiform.train.log import plain


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    """Neither the old content nor the folder is touched."""
    path = tmp_path / "note"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["note"]


def test_a_reader_never_finds_half_a_file(tmp_path):
    """While another process writes it again and again, every reading is one of the two contents."""
    path = tmp_path / "note"
    write_whole(path, b"a" * 10**6)
    script = (
        "import sys; from pathlib import Path; from janiform.files import write_whole\n"
        "while True:\n  for letter in b'ab': write_whole(Path(sys.argv[1]), bytes([letter]) * 10**6)"
    )
    writer = subprocess.Popen([sys.executable, "-c", script, str(path)])
    try:
        seen = set()
        while len(seen) < 2:
            content = path.read_bytes()
            assert content in (b"a" * 10**6, b"b" * 10**6)
            seen.add(content[:1])
            assert writer.poll() is None
    finally:
        writer.kill()
        writer.wait()


@pytest.mark.parametrize(
    "value", [np.float32(0.5), torch.tensor(0.5), np.array([1, 2]), torch.tensor([[True]])]
)
def test_numbers_become_those_of_python(value):
    """One number or an array of them."""
    assert plain(value) == value.tolist()


def test_what_is_no_number_is_named():
    """The error shows the value."""
    with pytest.raises(TypeError, match="JSON cannot hold <object"):
        plain(object())
