"""What the words of a command line mean: a program, an input, a vocabulary.

A program is a library name, a ``.rasp`` file, ``-`` for text on standard input, or a pair saved as ``.safetensors``.
Tokens are a JSON list, words set apart by commas or blanks (each read as a number or a truth value where it is one),
or else the characters of the word.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from janiform.errors import FileError, InputError
from janiform.ir.nodes import Value
from janiform.ir.program import Program
from janiform.ir.semantics import Signature

if TYPE_CHECKING:
    from janiform.pair import Pair
    from janiform.programs import Entry

PAIR_SUFFIX = ".safetensors"


def read_program(word: str) -> Program:
    """Return the program that ``word`` stands for.

    >>> list(read_program("reverse").outputs)
    ['reverse']
    """
    from janiform import programs
    from janiform.text.rasp import parse

    if word == "-":
        return parse(_standard_input())
    if _is_file(word):
        return parse(_text(Path(word)), filename=word)
    return programs.load(word)


def read_pair(word: str) -> Pair:
    """Load the pair saved in the file ``word``."""
    from janiform.pair import Pair

    return Pair.load(word)


def is_pair(word: str) -> bool:
    """Whether ``word`` names a saved pair.

    >>> is_pair("reverse.safetensors"), is_pair("reverse")
    (True, False)
    """
    return word.endswith(PAIR_SUFFIX)


def read_tokens(word: str) -> str | list[Value]:
    """Return the tokens that ``word`` writes.

    >>> read_tokens("hello"), read_tokens("3,1,-2"), read_tokens("the cat"), read_tokens('[true, "a,b", 0.5]')
    ('hello', [3, 1, -2], ['the', 'cat'], [True, 'a,b', 0.5])
    """
    text = word.strip()
    if text.startswith(("[", '"')):
        try:
            listed = json.loads(text)
        except json.JSONDecodeError as e:
            raise InputError(
                f"{word!r} is no JSON: {e.msg} at column {e.colno}; write a list such as [3, 1, 2]"
            ) from None
        except (ValueError, RecursionError):
            raise InputError(
                "the JSON list holds a number or a nesting beyond all measure; tokens are plain values"
            ) from None
        tokens = listed if isinstance(listed, list) else [*listed]
        for t in tokens:
            if not isinstance(t, bool | int | float | str):
                raise InputError(f"{json.dumps(t)} is no token; tokens are numbers, strings, true and false")
        return tokens
    parts = text.replace(",", " ").split() if "," in text else text.split()
    if len(parts) <= 1 and "," not in text:
        return text
    return [_scalar(p) for p in parts]


def _scalar(part: str) -> Value:
    """Read a number or a truth value; anything else is a string."""
    try:
        value = json.loads(part)
    except ValueError:
        return part
    return value if isinstance(value, bool | int | float | str) else part


def pair_of(word: str, vocab: str | None, max_len: int | None, causal: bool) -> Pair:
    """Load the saved pair that ``word`` names, or compile the program that it stands for."""
    if not is_pair(word):
        return read_program(word).compile(signature=read_signature(word, vocab, max_len, causal))
    if vocab is not None or max_len is not None or causal:
        raise InputError(
            f"{word!r} has its own vocabulary, maximum length and direction; leave out the options for them"
        )
    return read_pair(word)


def read_meaning(
    word: str, vocab: str | None, causal: bool, tokens: str | list[Value] | None = None
) -> tuple[Program, tuple[Value, ...], bool]:
    """Return the program of ``word``, its tokens as far as anything says what they are, and whether it runs causally.

    A saved pair says what its tokens are, so ``tokens`` that it does not know are refused.

    >>> read_meaning("majority", None, False)[1:]
    ((0, 1), True)
    """
    if is_pair(word):
        pair = pair_of(word, vocab, None, causal)
        if tokens is not None:
            pair.encode(tokens)
        return pair.program, pair.signature.vocab, pair.signature.causal
    entry = _entry(word)
    own = () if entry is None else tuple(entry.vocab)
    return read_program(word), own if vocab is None else tuple(read_tokens(vocab)), is_causal(word, causal)


def read_signature(program: str, vocab: str | None, max_len: int | None, causal: bool) -> Signature:
    """Make a signature of options; what is left out, the library's index says for its programs.

    >>> read_signature("reverse", "ab", 5, False)
    Signature(vocab=('a', 'b'), max_len=5, causal=False, bos='BOS', pad='PAD')
    """
    tokens = None if vocab is None else read_tokens(vocab)
    entry = _entry(program)
    if entry is not None:
        length = entry.max_len if max_len is None else max_len
        return Signature(entry.vocab if tokens is None else tokens, length, causal or entry.causal)
    if tokens is None or max_len is None:
        missing = "--vocab" if tokens is None else "--max-len"
        raise InputError(f"{missing} is missing; say, for example, --vocab abc --max-len 5")
    return Signature(tokens, max_len, causal)


def is_causal(program: str, causal: bool) -> bool:
    """Whether to run ``program`` causally: when asked to, and when it is a library program meant to be.

    >>> is_causal("majority", False), is_causal("reverse", False)
    (True, False)
    """
    entry = _entry(program)
    return causal or (entry is not None and entry.causal)


def _entry(word: str) -> Entry | None:
    from janiform import programs

    return None if word == "-" or _is_file(word) else programs.entry(word)


def _is_file(word: str) -> bool:
    return word.endswith(".rasp") or "/" in word


def _standard_input() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        raise FileError("standard input is not text in UTF-8") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileError(
            f"no file {str(path)!r}; `janiform library` lists the programs that come with Janiform"
        ) from None
    except UnicodeDecodeError:
        raise FileError(f"{str(path)!r} is not text in UTF-8") from None
    except OSError as e:
        raise FileError(f"{str(path)!r} cannot be read: {e.strerror}") from None
