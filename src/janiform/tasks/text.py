"""Texts with labels, read from files the user gives: named entities, and one class a text.

Words are coded by the vocabulary of the training file, its most frequent words; every other word is '<unk>'. An
input is '<s>', its words, '</s>'. Encodings, columns and tags are checked line by line: a file in another format is
refused with the line that shows it and the format that is read.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from janiform.errors import FileError, InputError
from janiform.ir.semantics import Signature
from janiform.tasks.examples import UNKNOWN, Codes, Data, Examples, encode
from janiform.tasks.exercise import END, START

BOS, PAD = "<bos>", "<pad>"
SPECIAL = {START, END, UNKNOWN, BOS, PAD}

Format = Literal["auto", "lines", "csv"]
Text = tuple[str, list[str]]

MOST_LABELS = 100
HEADER = {"text", "label", "class", "class index", "title", "description"}

NER_FORMAT = (
    "named entities are one word a line with its tag, 'EU NNP I-NP I-ORG' (CoNLL-2003, four columns) or "
    "'Empire<TAB>B-location' (two columns), and a blank line after each sentence"
)
LINES_FORMAT = (
    "the format 'lines' is a label, a space and the text, as in '5 How far is it from Denver to Aspen ?'"
)
CSV_FORMAT = 'the format \'csv\' is text,label or class,title,text, quoted, as in \'"3","Fears for pension","Unions say ..."\''


@dataclass(frozen=True, slots=True)
class _Sentence:
    words: list[str]
    tags: list[str]


def read_ner(
    train: str | Path, validation: str | Path, test: str | Path, max_len: int = 32, vocab_size: int = 10_000
) -> Data:
    """Read named entities from three files, tagged in IOB1 or IOB2, as data with IOB2 tags.

    Runs of digits become '@'. Sentences of more than ``max_len - 2`` words are left out, and counted in the notices.
    Raises FileError naming file, line and format.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "train.txt"
    ...     _ = path.write_text("EU NNP I-NP I-ORG\\nsaid VBD I-VP O\\n1996 CD I-NP O\\n")
    ...     data = read_ner(path, path, path)
    >>> data.decode(data.train.x), data.labels, data.train.y[0, :5].tolist()
    ([['<s>', 'EU', 'said', '@', '</s>']], ('B-ORG', 'O'), [-1, 0, 1, 1, -1])
    """
    _check_sizes(max_len, vocab_size)
    notices, sets = [], []
    for path in (train, validation, test):
        sentences = list(_sentences(Path(path)))
        kept = [s for s in sentences if len(s.words) <= max_len - 2]
        if len(kept) < len(sentences):
            notices.append(
                f"{Path(path).name}: left out {len(sentences) - len(kept)} of {len(sentences)} sentences, "
                f"those of more than {max_len - 2} words"
            )
        if not kept:
            raise FileError(f"{path} holds no sentence of at most {max_len - 2} words; {NER_FORMAT}")
        sets.append(kept)
    signature = _signature((s.words for s in sets[0]), max_len, vocab_size)
    labels = tuple(sorted({tag for kept in sets for s in kept for tag in s.tags}))
    code = {tag: i for i, tag in enumerate(labels)}
    parts = []
    for kept in sets:
        x = _encode(signature, [s.words for s in kept])
        y = np.full(x.shape, -1, np.int16)
        for row, s in zip(y, kept, strict=True):
            row[1 : len(s.tags) + 1] = [code[tag] for tag in s.tags]
        parts.append(Examples(x, y))
    return Data("ner", signature, labels, False, parts[0], parts[1], parts[2], tuple(notices))


def _sentences(path: Path) -> Iterator[_Sentence]:
    words: list[str] = []
    tags: list[str] = []
    columns = 0
    for number, line in enumerate([*_lines(_read(path)), ""], 1):
        bare = line.strip("\ufeff \t")
        cells = re.split("\t" if "\t" in bare else " +", bare)
        if not bare or cells[0] == "-DOCSTART-":
            if words:
                yield _Sentence(words, tags)
            words, tags = [], []
            continue
        columns = columns or len(cells)
        if columns not in (2, 4) or len(cells) != columns:
            expected = f"the {columns} of the lines before" if columns in (2, 4) else "2 or 4"
            raise _fault(path, number, line, f"{_columns(cells)} and not {expected}", NER_FORMAT)
        word, tag = cells[0].strip(), cells[-1].strip()
        if not re.fullmatch(r"O|[BI]-\S+", tag):
            raise _fault(path, number, line, f"the tag {tag!r}, which is not O, B-... or I-...", NER_FORMAT)
        before = tags[-1] if tags else "O"
        tags.append("B" + tag[1:] if tag[0] == "I" and before[1:] != tag[1:] else tag)
        words.append(re.sub("[0-9]+", "@", word))


def read_classes(
    train: str | Path,
    test: str | Path | None = None,
    validation: str | Path | None = None,
    format: Format = "auto",
    max_len: int = 64,
    vocab_size: int = 10_000,
    seed: int = 0,
) -> Data:
    """Read texts with one class each, as pooled data, lower-cased and cut at ``max_len - 2`` words.

    The format ``'lines'`` is a label and a text already split into words by spaces (TREC, MR, Subj; UTF-8 or Latin-1);
    ``'csv'`` is text,label or class,title,text (AG News, whose three-column classes count from 1 and are read from
    0). Without a test file a tenth of the training texts, drawn by ``seed``, is the test; likewise to validate.
    Raises FileError naming file, line and format.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "all.txt"
    ...     _ = path.write_text("1 A gem .\\n0 Tedious .\\n" * 10)
    ...     data = read_classes(path)
    >>> len(data.train), len(data.validation), len(data.test), data.labels
    (16, 2, 2, ('0', '1'))
    >>> data.decode(data.encode([["<s>", "a", "zebra", "</s>"]]))
    [['<s>', 'a', '<unk>', '</s>']]
    """
    _check_sizes(max_len, vocab_size)
    if format not in ("auto", "lines", "csv"):
        raise InputError(f"no format is called {format!r}; there are 'auto', 'lines' and 'csv'")
    texts = _texts(Path(train), format)
    if len(texts) < 10:
        raise FileError(f"{train} holds {len(texts)} texts, and at least 10 are needed to learn from")
    rng, tenth = np.random.default_rng(seed), len(texts) // 10
    sets = []
    for path in (test, validation):
        if path is None:
            order = rng.permutation(len(texts))
            held, kept = np.sort(order[:tenth]), np.sort(order[tenth:])
            sets.append([texts[i] for i in held])
            texts = [texts[i] for i in kept]
        else:
            sets.append(_texts(Path(path), format))
    sets = [texts, sets[1], sets[0]]
    labels = tuple(sorted({label for label, _ in texts}))
    for path, part in ((validation, sets[1]), (test, sets[2])):
        unseen = sorted({label for label, _ in part} - set(labels))
        if unseen:
            raise FileError(
                f"{path or train} has the label {unseen[0]!r}, which no training text has; "
                f"those have {', '.join(map(repr, labels[:12]))}"
            )
    signature = _signature((words[: max_len - 2] for _, words in texts), max_len, vocab_size)
    code = {label: i for i, label in enumerate(labels)}
    parts = [
        Examples(
            _encode(signature, [words[: max_len - 2] for _, words in part]),
            np.array([code[label] for label, _ in part], np.int16),
        )
        for part in sets
    ]
    cut = sum(len(words) > max_len - 2 for part in sets for _, words in part)
    notices = (f"cut {cut} of {sum(map(len, sets))} texts at {max_len - 2} words",) if cut else ()
    return Data("classes", signature, labels, True, parts[0], parts[1], parts[2], notices)


def _texts(path: Path, format: Format) -> list[Text]:
    """Return the label and the words of each text in a file."""
    text = _read(path)
    if format == "auto":
        quoted = text.lstrip("\ufeff \r\n").startswith('"')
        format = "csv" if quoted or path.suffix.lower() == ".csv" else "lines"
    described = CSV_FORMAT if format == "csv" else LINES_FORMAT
    found: list[Text] = []
    labels: set[str] = set()
    for number, shown, label, words in _csv_texts(path, text) if format == "csv" else _line_texts(text):
        labels.add(label)
        if not re.fullmatch(r"\S+", label):
            raise _fault(path, number, shown, f"the label {label!r}, which is not one word", described)
        if not words:
            raise _fault(path, number, shown, "a label and no text", described)
        if len(labels) > MOST_LABELS:
            raise _fault(
                path, number, shown, f"the {MOST_LABELS + 1}st different label, {label!r}", described
            )
        found.append((label, words))
    if not found:
        raise FileError(f"{path} holds no text; {described}")
    return found


def _line_texts(text: str) -> Iterator[tuple[int, str, str, list[str]]]:
    for number, line in enumerate(_lines(text), 1):
        if line.strip():
            label, *words = line.strip(" ").split(" ")
            coarse = re.sub("^([A-Z]+):[a-z]+$", r"\1", label)
            yield number, line, coarse, [w.lower() for w in words if w]


def _csv_texts(path: Path, text: str) -> Iterator[tuple[int, str, str, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        for row in reader:
            if row and not (len(rows) == 0 and {cell.strip().lower() for cell in row} <= HEADER):
                rows.append((reader.line_num, row))
    except csv.Error as e:
        line = _lines(text)[min(reader.line_num, len(_lines(text))) - 1]
        raise _fault(path, reader.line_num, line, f"faulty quotes or length ({e})", CSV_FORMAT) from None
    width = len(rows[0][1]) if rows else 0
    for number, row in rows:
        if len(row) != width or width not in (2, 3):
            expected = f"the {width} of the rows before" if width in (2, 3) else "2 or 3"
            raise _fault(path, number, ",".join(row), f"{_columns(row)} and not {expected}", CSV_FORMAT)
    label = 0 if width == 3 else 1
    names = [row[label].strip() for _, row in rows]
    if width == 3 and all(re.fullmatch("[1-9][0-9]*", name) for name in names):
        names = [str(int(name) - 1) for name in names]
    for (number, row), name in zip(rows, names, strict=True):
        words = " ".join(cell for i, cell in enumerate(row) if i != label).replace("\\", " ").lower()
        yield number, ",".join(row), name, re.findall(r"\w+(?:'\w+)?|[^\w\s]", words)


def _read(path: Path) -> str:
    """Return the text of a file in UTF-8 or, where it is not that, in Latin-1."""
    try:
        raw = path.read_bytes()
    except OSError as e:
        raise FileError(f"{path} cannot be read: {e.strerror}") from None
    if b"\0" in raw:
        line = raw[: raw.index(b"\0")].count(b"\n") + 1
        raise FileError(f"{path} is not text in UTF-8 or Latin-1: line {line} holds a zero byte")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _lines(text: str) -> list[str]:
    """Return the lines, which only line feeds end: Latin-1 has bytes that Python takes for ends of lines."""
    return [line.rstrip("\r") for line in text.split("\n")]


def _columns(cells: list[str]) -> str:
    return f"{len(cells)} column{'s' if len(cells) != 1 else ''}"


def _fault(path: Path, number: int, line: str, seen: str, described: str) -> FileError:
    shown = line if len(line) <= 80 else line[:77] + "..."
    return FileError(f"{path}, line {number}: {shown!r} has {seen}; {described}")


def _check_sizes(max_len: int, vocab_size: int) -> None:
    if max_len < 3 or vocab_size < 1:
        raise InputError(
            f"texts need at least 3 positions and 1 word, not max_len={max_len}, vocab_size={vocab_size}"
        )


def _signature(texts: Iterable[list[str]], max_len: int, vocab_size: int) -> Signature:
    """Return the signature over the most frequent words, those first met where they are equally frequent."""
    counts = Counter(w for words in texts for w in words if w not in SPECIAL)
    words = [w for w, _ in counts.most_common(vocab_size)]
    return Signature([START, END, UNKNOWN, *words], max_len, bos=BOS, pad=PAD)


def _encode(signature: Signature, texts: Iterable[list[str]]) -> Codes:
    """Return the codes of texts between '<s>' and '</s>'; a word that looks like one of these is unknown."""
    known = [[UNKNOWN if w in SPECIAL else w for w in words] for words in texts]
    return encode(signature, [[START, *words, END] for words in known])
