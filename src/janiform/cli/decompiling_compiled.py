"""Decompile a compiled transformer: weights go in, the program comes out with what was compared."""

from __future__ import annotations

import json
from pathlib import Path

from janiform.cli.answers import Answer, columns
from janiform.cli.words import read_tokens
from janiform.errors import InputError

KEYS = ("program", "method", "exact", "checked", "exhaustive", "seconds")
"""What is printed as JSON; the rest goes into result.json."""


def decompile_compiled(
    file: str, *, vocab: str | None, classes: str | None, causal: bool, seed: int, out: Path | None
) -> Answer:
    """Decompile what a file holds, and write program.rasp and result.json to a folder where one is given."""
    import torch

    from janiform.decompile.choose import decompile
    from janiform.model import checkpoints
    from janiform.model.checkpoint import write_whole

    if file in checkpoints.names():
        raise InputError(
            f"{file} is a trained transformer; --task NAME says how its inputs are drawn, such as --task D2"
        )
    torch.set_num_threads(1)
    names = [None if words is None else list(read_tokens(words)) for words in (vocab, classes)]
    found = decompile(file, vocab=names[0], classes=names[1], causal=causal or None, seed=seed)
    facts = found.facts()
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / "program.rasp", facts["program"].encode())
        write_whole(out / "result.json", json.dumps(facts, indent=1).encode())
    roles, e = facts["roles"], found.evidence
    which = "all inputs" if e.exhaustive else f"all inputs of up to {e.whole} tokens, longer ones drawn"
    rows = [
        ("method", found.method),
        ("agree", f"{e.agreed:,} of {e.checked:,}: {which}"),
        ("weight distance", "none" if e.weight_distance is None else f"{e.weight_distance:.1e}"),
        ("BOS, PAD", f"{roles['bos']}, {roles['pad']}, told by {roles['told']}"),
        ("output", f"told by {facts['output']}"),
        ("seconds", facts["seconds"]),
        *([("written to", out)] if out is not None else []),
    ]
    return Answer({k: facts[k] for k in KEYS}, f"{facts['program']}\n{columns(rows)}", good=e.exact)
