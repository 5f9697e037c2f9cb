"""A program over words: groups of each word and of its neighbors, pairs of them, and a linear output.

Every variable is a table of words, a head that copies the word at a fixed distance, or a table of two such variables, so
the program is discrete from the start and only its output is fitted (``learn.penalized``). It generalizes as learned
embeddings do (Friedman et al. 2023, section 4.3), since words of one group share weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from janiform.errors import InputError
from janiform.learn.draft import Copy, Draft, Frame, Recode, Table, Unit
from janiform.learn.groups import clusters, endings, frequent_apart, neighbor_vectors, shapes
from janiform.learn.penalized import fit_penalized, run
from janiform.tasks.examples import UNKNOWN, Codes, Data, Examples
from janiform.tasks.exercise import END, START


@dataclass(frozen=True, slots=True)
class Words:
    """Which groups, neighbors and pairs there are, and how the output is fitted.

    Words are grouped by their vectors into ``sizes`` clusters, and ``views`` times by a random projection of them, into
    ``view_size``; by their last letters, ``endings`` of (letters, groups); and by capitals and signs. ``neighbors`` are
    the distances of the words that are copied. In ``pairs`` of words, (left, right) by distance with 0 for the word
    itself, the ``frequent`` words stand for themselves and others for their smallest cluster; a pair that occurs at least
    twice has a code. Words are made unknown, in a second copy of the training part, with the chance ``unknown`` divided
    by their frequency. With ``both``, the output is fitted to the validation part also once its penalty is chosen on it.
    """

    sizes: tuple[int, ...] = (64, 256, 1000)
    views: int = 6
    view_size: int = 64
    endings: tuple[tuple[int, int], ...] = ()
    neighbors: tuple[int, ...] = (-2, -1)
    pairs: tuple[tuple[int, int], ...] = ((-1, 0), (-2, 0))
    frequent: int = 400
    unknown: float = 0.0
    penalties: tuple[float, ...] = (1.0, 3.0, 10.0)
    both: bool = True

    def __post_init__(self) -> None:
        if missing := {d for pair in self.pairs for d in pair} - {0, *self.neighbors}:
            raise InputError(
                f"the pairs read words at {sorted(missing)}; add these distances to the neighbors"
            )


TAGGING = Words(
    sizes=(16, 64, 256),
    endings=((2, 64), (3, 128)),
    neighbors=(-2, -1, 1, 2),
    pairs=((-1, 0), (0, 1), (-1, 1)),
    unknown=0.5,
    penalties=(0.3, 1.0, 3.0),
    both=False,
)
"""For a tag a word, where the neighbors on both sides and the form of the word count."""


def words(
    data: Data,
    settings: Words | None = None,
    *,
    seed: int = 0,
    vectors: Float[np.ndarray, "word dim"] | None = None,
    measure: Callable[[Codes, Codes, Codes], float] | None = None,
    log: Callable[[str], None] | None = None,
) -> Draft:
    """Return a draft for texts, fitted to the training part; the same seed gives the same draft.

    Without ``settings`` there are those for tagging and for classes. ``vectors`` has one row a word of the vocabulary;
    without any, words are grouped by their neighbors in the training part. ``measure(x, y, predicted)``, by default
    accuracy, chooses the penalty on the validation part.

    >>> from janiform.learn.penalized import labelled
    >>> from janiform.tasks.text import read_classes
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "all.txt"
    ...     _ = path.write_text("1 a gem of a film .\\n0 tedious stuff .\\n" * 20)
    ...     data = read_classes(path)
    >>> draft = words(data, Words(sizes=(4,), views=0))
    >>> labelled(draft, data.test).tolist() == data.test.y.tolist()
    True
    """
    settings = settings or (Words() if data.pooled else TAGGING)
    rng = np.random.default_rng(seed)
    tell = log or (lambda line: None)
    vocab = data.signature.vocab
    if vectors is None:
        vectors = neighbor_vectors(data.train.x, len(vocab), rng)
    if len(vectors) != len(vocab):
        raise InputError(f"{len(vectors):,} vectors do not go with a vocabulary of {len(vocab):,} words")
    train = _with_unknown(data, settings.unknown, rng)
    draft = sketch(data, train, settings, vectors, rng)
    tell(f"{len(draft.units)} variables of {sum(draft.sizes()):,} codes")
    return fit_penalized(
        draft, train, data.validation, measure or _accuracy, penalties=settings.penalties, both=settings.both
    )


def sketch(
    data: Data,
    train: Examples,
    settings: Words,
    vectors: Float[np.ndarray, "word dim"],
    rng: np.random.Generator,
) -> Draft:
    """Return the draft with all its units and no weights yet."""
    signature, frame = data.signature, Frame.of(data)
    units: list[Unit] = []

    def add(unit: Unit) -> int:
        units.append(unit)
        return len(units) + 1

    counts = np.bincount(data.train.x[data.train.x >= 0], minlength=frame.tokens)
    groups = _groups(data, settings, vectors, rng)
    paired = frequent_apart(counts, groups[0], settings.frequent)
    at = {0: 0}
    for distance in settings.neighbors:
        beyond = signature.vocab.index(START if distance < 0 else END)
        at[distance] = add(Copy(1, 1, 0, np.eye(frame.length, k=distance, dtype=bool), "all", beyond))
    grouped = {0, *({} if data.pooled else settings.neighbors)}
    for distance, word in at.items():
        if distance in grouped:
            for cells in groups:
                add(Recode(word, cells, int(cells.max()) + 1))
    sides = {d: add(Recode(at[d], paired, int(paired.max()) + 1)) for pair in settings.pairs for d in pair}
    for left, right in settings.pairs:
        add(_pairs(Draft(frame, tuple(units), (), np.zeros(frame.labels)), train, sides[left], sides[right]))
    draft = Draft(frame, tuple(units), (), np.zeros(frame.labels))
    return draft.with_output(tuple(np.zeros((size, frame.labels)) for size in draft.sizes()), draft.bias)


def _groups(
    data: Data, settings: Words, vectors: Float[np.ndarray, "word dim"], rng: np.random.Generator
) -> list[np.ndarray]:
    """Every grouping of the vocabulary."""
    vocab = data.signature.vocab
    found = [clusters(vectors, size, rng) for size in settings.sizes]
    for _ in range(settings.views):
        way = rng.normal(size=(vectors.shape[1], min(10, vectors.shape[1])))
        found.append(clusters(vectors @ way, settings.view_size, rng))
    found += [endings(vocab, length, size) for length, size in settings.endings]
    if any(str(word) != str(word).lower() for word in vocab):
        found.append(shapes(vocab))
    return found


def _pairs(draft: Draft, train: Examples, left: int, right: int) -> Table:
    """A table that numbers the pairs of codes that occur at least twice, frequent ones first; 0 is for all others."""
    sizes = draft.sizes()
    counts = np.zeros(sizes[left] * sizes[right], np.int64)
    for _, valid, values in run(draft, train):
        joint = values[left][valid].astype(np.int64) * sizes[right] + values[right][valid]
        counts += np.bincount(joint, minlength=len(counts))
    order = counts.argsort(kind="stable")[::-1][: int((counts > 1).sum())]
    cells = np.zeros(len(counts), np.int32)
    cells[order] = np.arange(1, len(order) + 1)
    return Table(left, right, cells.reshape(sizes[left], sizes[right]), len(order) + 1)


def _with_unknown(data: Data, chance: float, rng: np.random.Generator) -> Examples:
    """The training part and, where there is a chance of it, a copy with rare words made unknown."""
    x, y = data.train.x, data.train.y
    if not chance:
        return data.train
    counts = np.bincount(x[x >= 0], minlength=len(data.signature.vocab))
    asked = (y >= 0) if y.ndim == 2 else x >= 0
    drop = asked & (rng.random(x.shape) < chance / np.maximum(counts, 1)[x])
    unknown = np.where(drop, data.signature.vocab.index(UNKNOWN), x).astype(x.dtype)
    return Examples(np.concatenate([x, unknown]), np.concatenate([y, y]))


def _accuracy(x: Codes, y: Codes, predicted: Codes) -> float:
    return float((predicted == y)[y >= 0].mean())
