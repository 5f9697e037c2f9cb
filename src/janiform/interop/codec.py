"""The codec of a pair as plain data, for whoever runs its weights without Janiform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from janiform.pair import Pair


def codec_data(pair: Pair) -> dict[str, Any]:
    """Return which ids tokens have and which values logits say, as JSON takes it.

    An input is BOS, its tokens, and any padding. A ``number`` is the value nearest to its first column, undefined unless a
    second is above 0.5; of any other output the largest logit between ``start`` and ``stop`` says the value, and null is
    *undefined*.

    >>> from janiform import programs
    >>> codec_data(programs.load("has_seen").compile("ab", 3))["outputs"]
    [{'name': 'has_seen', 'kind': 'category', 'start': 0, 'stop': 2, 'values': [False, True]}]
    """
    return {
        "vocab": list(pair.signature.vocab),
        "bos": pair.codec.bos,
        "pad": pair.codec.pad,
        "max_len": pair.signature.max_len,
        "causal": pair.signature.causal,
        "outputs": [
            {"name": r.name, "kind": r.kind, "start": r.start, "stop": r.stop, "values": list(r.values)}
            for r in pair.readouts
        ],
        "program": str(pair.program),
    }


def token_names(pair: Pair) -> list[str]:
    """Return one distinct word for each id: tokens as they are written, BOS, PAD, then the answers that are no tokens.

    >>> from janiform import programs
    >>> token_names(programs.load("hist").compile("ab", 2, causal=True).to_gpt2())
    ['a', 'b', 'BOS', 'PAD', 'hist=1', 'hist=2']
    """
    s = pair.signature
    words = [_word(v) for v in s.vocab] + [s.bos, s.pad]
    later: dict[int, str] = {}
    for r in pair.readouts:
        for j in range(r.width):
            values = r.values if r.kind != "number" else ("number", "defined")
            later[r.start + j] = f"{r.name}={_word(values[j])}"
    words += [later.get(i, f"unused-{i}") for i in range(len(words), pair.model.config.d_vocab)]
    taken: set[str] = set()
    for i, word in enumerate(words):
        words[i] = word if word not in taken else f"{word}#{i}"
        taken.add(words[i])
    return words


def _word(value: object) -> str:
    """Write a value as a word without blanks."""
    return (
        str(value)
        if str(value).strip() and not any(c.isspace() for c in str(value))
        else repr(value).replace(" ", "_")
    )
