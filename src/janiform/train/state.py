"""The state of a training between two steps, in one file: tensors as safetensors, everything else as JSON in its header.

Invariant: the file of a folder holds the tensors and the facts of one and the same save. Reading runs no code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from janiform.errors import FileError, InputError
from janiform.files import write_whole
from janiform.train.log import plain

# Read by commands that train nothing, so torch is imported where it is used.
if TYPE_CHECKING:
    from torch import Tensor

NAME = "state.safetensors"
KIND = "janiform.training"


def save_state(folder: str | Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Replace the state kept in ``folder`` by ``tensors`` of any type and ``facts`` that JSON can hold.

    >>> import tempfile, torch
    >>> folder = tempfile.mkdtemp()
    >>> save_state(folder, {"weights": torch.ones(2)}, {"step": 7})
    >>> load_state(folder)
    ({'weights': tensor([1., 1.])}, {'step': 7})

    One process at a time saves into a folder. What an optimizer and a generator need is theirs to give as tensors and
    facts: ``torch.get_rng_state()`` is a tensor too.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    packed = {name: pack(name, tensor) for name, tensor in tensors.items()}
    try:
        content = save(packed, {KIND: json.dumps(facts, default=plain)})
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"this state cannot be kept as safetensors and JSON: {error}") from error
    for left in folder.glob(f"{NAME}.*.part"):
        left.unlink(missing_ok=True)
    write_whole(folder / NAME, content)


def pack(name: str, tensor: Tensor) -> Tensor:
    """Copy a tensor for the file, since safetensors refuses tensors that share memory, as tied weights do."""
    try:
        return tensor.detach().cpu().clone().contiguous()
    except (AttributeError, RuntimeError) as error:
        what = f"{name!r}, a {type(tensor).__name__}, cannot be kept in a state ({error})"
        raise InputError(f"{what}; a dense tensor would do, and numbers and text are facts") from error


def load_state(folder: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Return the tensors and facts last saved in ``folder``, on the CPU, ``None`` where nothing was saved yet."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = Path(folder) / NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        tensors = load(content)
        end = 8 + int.from_bytes(content[:8], "little")
        facts = json.loads(json.loads(content[8:end])["__metadata__"][KIND])
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise FileError(f"{path} holds no state of a training ({error}); delete it to begin anew") from None
    return tensors, facts
