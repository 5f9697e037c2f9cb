"""Which compiled programs a training begins with, as a command line says it: ``PARTS=PROGRAM``, or a program for all parts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from janiform import programs
from janiform.errors import InputError
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from janiform.model.transformer import Transformer
from janiform.pair import Pair
from janiform.procedural.embedded import embed
from janiform.procedural.transfer import Taken
from janiform.tasks.procedural import PROCEDURES, known, read


def program_of(text: str, task: str, length: int) -> tuple[Program, Signature]:
    """Return what ``--from-program`` names: a saved pair's program, the one behind a task, or one of the library.

    The last two are meant for rows of up to ``length`` tokens, a pair for those that it was compiled for. The bare name of the
    ``task`` that is trained on means that task, with its settings.

    >>> program_of("set", "set(symbols=4, longest=5)", 11)[1].vocab
    ('a', 'b', 'c', '|')
    """
    if text.endswith(".safetensors"):
        pair = Pair.load(Path(text))
        return pair.program, pair.signature
    if text.partition("(")[0].strip() in PROCEDURES:
        found = known(read(task if text == task.partition("(")[0] else text))
        if found is None:
            raise InputError(f"no program of the library is behind {text}")
        vocab = [token for token in found.tokens if token is not None]
        return programs.load(found.program), Signature(vocab, length, True)
    entry = programs.entry(text)
    return programs.load(text), Signature(entry.vocab, length, True)


def begin_with(
    model: Transformer,
    texts: Iterable[str],
    task: str,
    *,
    tied: bool,
    shuffle: bool,
    noise: float,
    amplitude: float,
    seed: int,
) -> list[str]:
    """Put programs into a model as ``PARTS=PROGRAM`` says, for the rows of a task; '' is a text."""
    behind = known(read(task)) if task else None
    taken: dict[str, None] = {}
    for number, text in enumerate(texts):
        chosen = Taken.read(text) if re.match(r"[\w+]+=", text) else Taken(("full",), text)
        if tied and {"full", "embeddings"} & set(chosen.parts):
            raise InputError(f"{text} is read off otherwise than its tokens are embedded: give --untied")
        program, signature = program_of(chosen.model, task, model.config.n_ctx)
        taken |= dict.fromkeys(
            embed(
                model,
                program,
                signature,
                parts=chosen.parts,
                spelling=() if behind is None else behind.tokens,
                shuffle=shuffle,
                noise=noise,
                amplitude=amplitude,
                seed=seed + number,
            )
        )
    return list(taken)
