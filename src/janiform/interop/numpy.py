"""Export to NumPy: a folder of weights, their shape and codec as JSON, and one file of Python that runs them by itself."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from janiform.interop import numpy_forward
from janiform.interop.codec import codec_data
from janiform.interop.folder import write_folder

if TYPE_CHECKING:
    from janiform.pair import Pair


def save_numpy(pair: Pair, folder: str | os.PathLike[str]) -> list[Path]:
    """Write ``weights.npz``, ``model.json`` and ``forward.py``, which needs NumPy alone.

    >>> import subprocess, sys, tempfile
    >>> from janiform import programs
    >>> with tempfile.TemporaryDirectory() as place:
    ...     files = save_numpy(programs.load("sort").compile(range(4), 5), place)
    ...     run = [sys.executable, files[-1], "[3, 1, 2]"]
    ...     print(subprocess.run(run, capture_output=True, text=True).stdout.strip())
    {"sort": [1, 2, 3]}
    """
    packed = io.BytesIO()
    np.savez(packed, **pair.model.weights())  # type: ignore[arg-type]
    described = {"config": pair.model.config.to_dict(), "codec": codec_data(pair)}
    source = Path(numpy_forward.__file__).read_bytes()
    contents = {
        "weights.npz": packed.getvalue(),
        "model.json": json.dumps(described, indent=1, ensure_ascii=False).encode(),
        "forward.py": source,
    }
    return write_folder(folder, contents)
