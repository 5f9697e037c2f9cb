"""Pairs of input and target from the user's files."""

from pathlib import Path

import pytest

from janiform.errors import FileError
from janiform.tasks import read_pairs


def test_lists_and_strings_and_both_forms_of_a_line_are_read(tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('["ab", "ba"]\n{"input": ["b", "b"], "target": ["b", null]}\n\n' * 10)
    data = read_pairs(path)
    assert data.signature.vocab == ("a", "b") and data.labels == ("a", "b")
    assert len(data.train) + len(data.validation) + len(data.test) == 20
    assert (data.train.y == -1).any()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ab ba", "not JSON"),
        ('["ab"]', "no pair"),
        ('["ab", "b"]', "2 tokens and 1 targets"),
        ('["ab", {"a": 1}]', "no list of tokens"),
        ('[["a", null], "ab"]', "holds null"),
    ],
)
def test_a_wrong_line_is_named_with_what_was_expected(tmp_path: Path, line: str, said: str):
    path = tmp_path / "pairs.jsonl"
    path.write_text('["ab", "ba"]\n' + line + "\n")
    with pytest.raises(FileError, match=f"line 2.*{said}"):
        read_pairs(path)


def test_too_few_pairs_are_refused(tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    path.write_text('["ab", "ba"]\n')
    with pytest.raises(FileError, match="at least 10"):
        read_pairs(path)
