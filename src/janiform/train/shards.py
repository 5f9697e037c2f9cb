"""The files of a sweep: a shard for each finished run, named by its settings, and a table over them all.

    runs/<key>.json        {"settings", "result", "seconds"}
    runs/<key>.error.txt   the traceback of a run that raised
    table.tsv              a line for each shard

Whatever stands under one of these names is complete, and two processes may write the same shard.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from janiform.errors import FileError, InputError
from janiform.files import write_whole

Settings = dict[str, Any]
Run = dict[str, Any]


def canonical(settings: Mapping[str, Any]) -> str:
    """Write settings as JSON in the one way that equal settings share.

    >>> canonical({"seed": 1, "heads": (2, 3)})
    '{"heads":[2,3],"seed":1}'
    """
    try:
        return json.dumps(settings, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        what = f"settings {settings!r} cannot be written as JSON ({error})"
        raise InputError(f"{what}; numbers, strings, lists and dicts would do") from None


def name_of(settings: Mapping[str, Any]) -> str:
    """Name a run by its settings.

    >>> name_of({"seed": 1, "heads": 2}) == name_of({"heads": 2, "seed": 1})
    True
    """
    return hashlib.sha256(canonical(settings).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Shards:
    """The folder of a sweep."""

    folder: Path

    @property
    def runs(self) -> Path:
        """Where the shards are."""
        return self.folder / "runs"

    def shard(self, key: str) -> Path:
        """Where the run of that name is, once it has finished."""
        return self.runs / f"{key}.json"

    def error(self, key: str) -> Path:
        """Where the traceback of that run is, if it raised."""
        return self.runs / f"{key}.error.txt"

    def read(self, key: str) -> Run | None:
        """Read the run of that name, ``None`` if it has not finished; a damaged shard is a ``FileError``."""
        path = self.shard(key)
        try:
            run = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise FileError(f"{path} is no JSON ({error}); delete it and its run is done again") from None
        if not isinstance(run, dict) or not {"settings", "result", "seconds"} <= run.keys():
            raise FileError(f"{path} is no run of a sweep; move it elsewhere")
        return run

    def read_all(self) -> dict[str, Run]:
        """Read every finished run."""
        found = {path.stem: self.read(path.stem) for path in sorted(self.runs.glob("*.json"))}
        return {key: run for key, run in found.items() if run is not None}

    def keep(self, key: str, run: Run) -> None:
        """Write a run that finished as its shard, unless that is there, and one that raised as its traceback."""
        if "error" in run:
            write_whole(self.error(key), run["error"])
        else:
            if not self.shard(key).exists():
                write_whole(self.shard(key), json.dumps(run))
            self.error(key).unlink(missing_ok=True)

    def write_table(self, runs: Mapping[str, Run]) -> None:
        """Write a line for each run, in the order given."""
        lines = ["\t".join(row) for row in table(runs)]
        write_whole(self.folder / "table.tsv", "\n".join(lines) + "\n")


def table(runs: Mapping[str, Run]) -> list[list[str]]:
    """Lay out runs as rows under a header: name, the settings that vary, the results, the seconds.

    >>> run = lambda seed: {"settings": {"task": "sort", "seed": seed}, "result": {"lines": 9 + seed}, "seconds": 0.5}
    >>> for row in table({"a1": run(0), "b2": run(1)}):
    ...     print(*row)
    run seed lines seconds
    a1 0 9 0.5
    b2 1 10 0.5
    """
    rows = list(runs.values())
    settings = [k for k in keys_of(rows, "settings") if len({cell(r["settings"].get(k)) for r in rows}) > 1]
    results = keys_of(rows, "result")
    taken = {"run", "seconds"}
    header = ["run"]
    for section, names in (("settings", settings), ("result", results)):
        header += [f"{section}.{name}" if name in taken else name for name in names]
        taken |= set(names)
    body = [
        [key]
        + [cell(run["settings"].get(name)) for name in settings]
        + [cell(run["result"].get(name)) for name in results]
        + [cell(round(run["seconds"], 3))]
        for key, run in runs.items()
    ]
    return [[*header, "seconds"], *body]


def keys_of(rows: Sequence[Run], section: str) -> list[str]:
    """The keys that any run has in that section, in the order met."""
    return list(dict.fromkeys(key for run in rows for key in run[section]))


def cell(value: Any) -> str:
    """Write one value on one line: text as it is, nothing for ``None``, JSON otherwise."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return " ".join(text.split()) if set(text) & set("\t\r\n") else text
