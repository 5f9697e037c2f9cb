"""What turns text into ids: bytes, characters, or byte pairs (BPE). The id behind all others ends a document.

A tokenizer is named by a text: ``bytes``; ``characters``, those of the text; ``bpe:4096``, byte pairs found in the text; or a
file ``tokenizer.json``, or the folder of one, in the format of Hugging Face's tokenizers. It is kept as JSON and read back.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from janiform.errors import FileError, InputError

Ids = NDArray[np.uint16]
END = "<|endoftext|>"
MOST = 2**16
FORMS = "bytes, characters, bpe:4096 (any size), or a file tokenizer.json or its folder"


class Tokenizer(ABC):
    """Ids below ``d_vocab``, of which ``end`` ends a document."""

    __slots__ = ()

    @property
    @abstractmethod
    def d_vocab(self) -> int: ...

    @property
    @abstractmethod
    def end(self) -> int: ...

    @abstractmethod
    def encode(self, text: str) -> Ids:
        """Return the ids of a text."""

    @abstractmethod
    def write(self) -> str:
        """Return it as JSON, which ``read_tokenizer`` reads."""


@dataclass(frozen=True, slots=True)
class Bytes(Tokenizer):
    """The bytes of UTF-8.

    >>> Bytes().encode("aä").tolist(), Bytes().end
    ([97, 195, 164], 256)
    """

    @property
    def d_vocab(self) -> int:
        return 257

    @property
    def end(self) -> int:
        return 256

    def encode(self, text: str) -> Ids:
        return np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8).astype(np.uint16)

    def write(self) -> str:
        return json.dumps({"kind": "bytes"})


@dataclass(frozen=True, slots=True)
class Characters(Tokenizer):
    """Given characters, in order; any other has the id behind them.

    >>> Characters("abx").encode("baz").tolist()
    [1, 0, 3]
    """

    known: str

    @property
    def d_vocab(self) -> int:
        return len(self.known) + 2

    @property
    def end(self) -> int:
        return len(self.known) + 1

    def encode(self, text: str) -> Ids:
        codes, known = _codes(text), _codes(self.known)
        place = np.searchsorted(known, codes)
        found = known[np.minimum(place, len(known) - 1)] == codes
        return np.where(found, place, len(known)).astype(np.uint16)

    def write(self) -> str:
        return json.dumps({"kind": "characters", "known": self.known})


@dataclass(frozen=True, slots=True, eq=False)
class Pairs(Tokenizer):
    """Byte pairs, by the library tokenizers; ``size`` ids, whether all are used or not."""

    inner: Any
    size: int

    @property
    def d_vocab(self) -> int:
        return self.size

    @property
    def end(self) -> int:
        return int(self.inner.token_to_id(END))

    def encode(self, text: str) -> Ids:
        return np.array(self.inner.encode(text, add_special_tokens=False).ids, np.uint16)

    def write(self) -> str:
        return json.dumps({"kind": "pairs", "size": self.size, "tokenizer": json.loads(self.inner.to_str())})


def fit(name: str, texts: Iterable[str]) -> Tokenizer:
    """Return the tokenizer that a name stands for, fitted to texts where it takes them.

    >>> fit("characters", ["ba", "abba"])
    Characters(known='ab')
    """
    if name == "bytes":
        return Bytes()
    if name == "characters":
        known: set[str] = set()
        for text in texts:
            known.update(text)
        if not 1 <= len(known) <= MOST - 2:
            raise InputError(
                f"the text has {len(known)} different characters; from 1 to {MOST - 2} can be told"
            )
        return Characters("".join(sorted(known)))
    kind, _, size = name.partition(":")
    if kind == "bpe" and size.isdigit() and 257 <= int(size) <= MOST:
        return _fitted(int(size), texts)
    if kind == "bpe":
        raise InputError(f"bpe:N has from 257 to {MOST} ids, got {name!r}")
    place = Path(name) / "tokenizer.json" if Path(name).is_dir() else Path(name)
    if not place.is_file():
        raise InputError(f"there is no tokenizer {name!r}; what would work: {FORMS}")
    return _ended(_library().Tokenizer.from_str(place.read_text("utf-8")), place)


def read_tokenizer(path: str | Path) -> Tokenizer:
    """Read what ``write`` wrote."""
    try:
        data = json.loads(Path(path).read_text("utf-8"))
        match data["kind"]:
            case "bytes":
                return Bytes()
            case "characters":
                return Characters(data["known"])
            case "pairs":
                inner = _library().Tokenizer.from_str(json.dumps(data["tokenizer"]))
                return Pairs(inner, data["size"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(f"{path} holds no tokenizer: {error}") from None
    raise FileError(f"{path} holds no tokenizer, but {str(data)[:40]!r}")


def _fitted(size: int, texts: Iterable[str]) -> Pairs:
    library = _library()
    inner = library.Tokenizer(library.models.BPE())
    inner.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = library.decoders.ByteLevel()
    alphabet = library.pre_tokenizers.ByteLevel.alphabet()
    trainer = library.trainers.BpeTrainer(
        vocab_size=size, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    inner.train_from_iterator(texts, trainer)
    return Pairs(inner, size)


def _ended(inner: Any, place: Path) -> Pairs:
    if inner.token_to_id(END) is None:
        inner.add_special_tokens([END])
    if inner.get_vocab_size() > MOST:
        raise InputError(f"{place} has {inner.get_vocab_size()} ids; at most {MOST} can be told")
    return Pairs(inner, inner.get_vocab_size())


def _library() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise InputError("byte pairs take the library tokenizers: pip install janiform[bpe]") from None
    return tokenizers


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.dtype("<u4"))
