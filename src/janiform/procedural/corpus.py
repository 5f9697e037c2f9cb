"""Text cut into rows: row i is the same whenever it is asked for, and no document is trained on and held out.

Documents are turned into ids, one behind another, and cut into blocks; an epoch takes each block once, in an order of its own,
and begins at a place of its own. A hash of a document says whether it is held out, one in 20; of fewer than 100 documents the
last twentieth of the text is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from janiform.errors import InputError
from janiform.files import place_whole, write_whole
from janiform.procedural.documents import documents
from janiform.procedural.tokenizers import Ids, Tokenizer, fit, read_tokenizer
from janiform.tasks.procedural import Rows, Split

HELD = 20
"""One in so many documents is held out."""
FEW = 100
"""Of fewer documents the end of the text is held out."""
TOKENIZER, TRAIN, VALIDATION = "tokenizer.json", "train.ids", "validation.ids"

Texts = Callable[[], Iterable[str]]


@dataclass(frozen=True, slots=True, eq=False)
class Corpus:
    """Rows of ``context`` + 1 ids of a text, of which all but the first are targets.

    >>> corpus = Corpus.of(lambda: ["to be or not to be"] * 90, "characters", 8)
    >>> corpus.d_vocab, corpus.rows(0, 2).tokens.shape, corpus.rows(5, 6).end.tolist()
    (9, (2, 9), [9])
    """

    tokenizer: Tokenizer
    train: Ids
    validation: Ids
    context: int

    def __post_init__(self) -> None:
        for name, ids in (("training", self.train), ("validation", self.validation)):
            if len(ids) <= self.context + 1:
                raise InputError(
                    f"the text has {len(ids)} tokens for {name}, too few for rows of {self.context + 1}"
                )

    @classmethod
    def of(cls, texts: Texts, tokenizer: str, context: int) -> Corpus:
        """Make a corpus in memory; ``texts`` gives its documents each time it is called."""
        if context < 1:
            raise InputError("text is cut into rows of a length; say, for example, --context 128")
        made, few = fit(tokenizer, texts()), _few(texts())
        parts: dict[str, list[Ids]] = {TRAIN: [], VALIDATION: []}
        for text in texts():
            ids = np.append(made.encode(text), np.uint16(made.end))
            parts[VALIDATION if not few and _set_aside(text) else TRAIN].append(ids)
        train = np.concatenate(parts[TRAIN]) if parts[TRAIN] else np.zeros(0, np.uint16)
        if few:
            cut = len(train) - len(train) // HELD
            return cls(made, train[:cut], train[cut:], context)
        return cls(made, train, np.concatenate(parts[VALIDATION]), context)

    @classmethod
    def at(cls, folder: Path, context: int) -> Corpus:
        """Map a corpus that ``save`` wrote into memory."""
        train, validation = (np.memmap(folder / name, "<u2", "r") for name in (TRAIN, VALIDATION))
        return cls(read_tokenizer(folder / TOKENIZER), train, validation, context)

    def save(self, folder: Path) -> None:
        """Write ids and tokenizer to a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, ids in ((TRAIN, self.train), (VALIDATION, self.validation)):
            with place_whole(folder / name) as part:
                ids.astype("<u2", copy=False).tofile(part)
        write_whole(folder / TOKENIZER, self.tokenizer.write())

    @property
    def d_vocab(self) -> int:
        return self.tokenizer.d_vocab

    @property
    def width(self) -> int:
        return self.context + 1

    def rows(self, start: int, stop: int, *, seed: int = 0, split: Split = "train") -> Rows:
        """Return the rows from number ``start`` to before ``stop``."""
        ids = self.train if split == "train" else self.validation
        blocks = (len(ids) - 1) // self.context - (len(ids) > 2 * self.context)
        numbers = np.arange(start, stop)
        begins = np.empty(len(numbers), np.int64)
        for epoch in np.unique(numbers // blocks):
            rng = np.random.default_rng([seed, epoch])
            here = numbers // blocks == epoch
            # All blocks but one are taken, so that an epoch can begin anywhere in the first.
            shift = rng.integers(len(ids) - blocks * self.context)
            begins[here] = rng.permutation(blocks)[numbers[here] % blocks] * self.context + shift
        tokens = np.asarray(ids)[begins[:, None] + np.arange(self.width)]
        ones: NDArray[np.int32] = np.ones(len(numbers), np.int32)
        return Rows(tokens, ones, self.width * ones)


def corpus(paths: Iterable[str], tokenizer: str, context: int, folder: Path | None = None) -> Corpus:
    """Read a text, or the corpus that ``folder`` keeps of it; where there is none yet it is kept there."""
    if folder is not None and (folder / TOKENIZER).exists():
        return Corpus.at(folder, context)
    given = tuple(paths)
    made = Corpus.of(lambda: documents(given), tokenizer, context)
    if folder is None:
        return made
    made.save(folder)
    return Corpus.at(folder, context)


def _few(texts: Iterable[str]) -> bool:
    return sum(1 for _, _ in zip(range(FEW), texts)) < FEW


def _set_aside(text: str) -> bool:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") % HELD == 0
