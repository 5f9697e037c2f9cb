"""The folder of a learning: what was asked for stands in ``config.json``, and whoever asks again asks for the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from janiform.errors import FileError, InputError
from janiform.files import write_whole

if TYPE_CHECKING:
    from janiform.pair.pair import Pair


def asked_of(pair: Pair, **settings: Any) -> dict[str, Any]:
    """Return what is asked for, as JSON holds it: the program, its inputs, and settings."""
    s = pair.signature
    inputs = {"vocab": list(s.vocab), "max_len": s.max_len, "causal": s.causal}
    return {"program": str(pair.program), **inputs, **settings}


def agree(folder: Path, asked: dict[str, Any]) -> None:
    """Write what is asked for, or see that it is what was asked for before."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            f"{folder} cannot be the folder of a learning: {error.strerror}; choose another"
        ) from None
    path = folder / "config.json"
    try:
        before = json.loads(path.read_text())
    except FileNotFoundError:
        write_whole(path, json.dumps(asked, indent=1) + "\n")
        return
    except ValueError as error:
        raise FileError(f"{path} describes no learning of a pair: {error}") from None
    if before != asked:
        other = [name for name in asked if not isinstance(before, dict) or before.get(name) != asked[name]]
        raise InputError(
            f"{folder} holds another learning, of other {', '.join(other)}; choose another folder"
        )
