"""Read a data set: its programs without repetitions, and their split.

The split is a function of the behavior hash. Programs of one canonical form behave alike, so neither a form nor a behavior of
the test part is ever among those of the training part, in whatever folder either was drawn.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from janiform.errors import FileError
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from janiform.text.json import loads
from janiform.train.shards import Shards

Split = Literal["train", "test"]
ONE_IN = 8
"""One program of so many is for testing."""


def split_of(behavior: str) -> Split:
    """Return which part a program of this behavior hash belongs to.

    >>> split_of("00000008" + 56 * "0"), split_of("00000007" + 56 * "0")
    ('test', 'train')
    """
    return "train" if int(behavior[:8], 16) % ONE_IN else "test"


@dataclass(frozen=True, slots=True)
class Entry:
    """A program of a data set as it is stored."""

    canonical: str
    behavior: str
    size: int
    json: str

    @property
    def program(self) -> Program:
        """The program, read from its JSON."""
        return loads(self.json)

    @property
    def split(self) -> Split:
        """The part it belongs to."""
        return split_of(self.behavior)

    def line(self) -> str:
        """Write it as a line of a shard."""
        return f"{json.dumps([self.canonical, self.behavior, self.size, self.json])}\n"

    @classmethod
    def read(cls, line: str, where: Path) -> Entry:
        """Read a line of a shard."""
        try:
            canonical, behavior, size, program = json.loads(line)
            int(behavior, 16), int(canonical, 16)
            return cls(canonical, behavior, int(size), str(program))
        except (ValueError, TypeError) as e:
            raise FileError(
                f"{where} holds a line that is no program ({e}); delete its run and make it again"
            ) from None


@dataclass(frozen=True, slots=True)
class Dataset:
    """The programs of a folder, in the order of its shards' numbers; of those that behave alike, the first."""

    folder: Path
    signature: Signature
    entries: tuple[Entry, ...]
    shards: tuple[dict[str, Any], ...]

    @classmethod
    def open(cls, folder: str | Path) -> Dataset:
        """Read a folder; FileError where it holds no data set or a damaged one."""
        folder = Path(folder)
        config = cls.config(folder)
        signature = Signature(range(config["vocab"]), config["max_len"], config["causal"])
        runs = sorted(Shards(folder).read_all().values(), key=lambda run: run["settings"].get("number", 0))
        entries: dict[str, Entry] = {}
        forms: set[str] = set()
        for run in runs:
            path = folder / "programs" / f"{run['result'].get('file')}.jsonl"
            try:
                lines = path.read_text("utf-8").splitlines()
            except FileNotFoundError:
                raise FileError(
                    f"{path} is missing; delete its run in {folder / 'runs'} and make it again"
                ) from None
            for entry in (Entry.read(line, path) for line in lines):
                if entry.behavior not in entries and entry.canonical not in forms:
                    entries[entry.behavior] = entry
                    forms.add(entry.canonical)
        return cls(folder, signature, tuple(entries.values()), tuple(run["result"] for run in runs))

    @staticmethod
    def config(folder: Path) -> dict[str, Any]:
        """Read what a folder was made by."""
        try:
            found = json.loads((folder / "config.json").read_text("utf-8"))
            if not {"vocab", "max_len", "causal", "seed"} <= found.keys():
                raise ValueError("it names no vocabulary, length, direction and seed")
            return dict(found)
        except FileNotFoundError:
            raise FileError(
                f"{folder} holds no data set; janiform dataset make {folder} begins one"
            ) from None
        except (ValueError, AttributeError) as e:
            raise FileError(f"{folder / 'config.json'} is no plan of a data set: {e}") from None

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def part(self, split: Split) -> tuple[Entry, ...]:
        """Return the programs of one part."""
        return tuple(e for e in self.entries if e.split == split)

    def facts(self) -> dict[str, Any]:
        """Return what is in it as plain data."""
        parts = {s: self.part(s) for s in ("train", "test")}
        forms = [{e.canonical for e in part} for part in parts.values()]
        behaviors = [{e.behavior for e in part} for part in parts.values()]
        rejected: Counter[str] = Counter()
        for shard in self.shards:
            rejected.update(
                {k.removeprefix("rejected_"): v for k, v in shard.items() if k.startswith("rejected_")}
            )
        verified, seconds = (
            sum(s["programs"] for s in self.shards),
            sum(s["cpu_seconds"] for s in self.shards),
        )
        rejected["alike in another shard"] = verified - len(self)
        return {
            "programs": len(self),
            "train": len(parts["train"]),
            "test": len(parts["test"]),
            "common_forms": len(forms[0] & forms[1]),
            "common_behaviors": len(behaviors[0] & behaviors[1]),
            "sizes": dict(sorted(Counter(e.size for e in self.entries).items())),
            "rejected": dict(rejected.most_common()),
            "compared_inputs": min((s["compared"] for s in self.shards), default=0),
            "shards": len(self.shards),
            "cpu_seconds": round(seconds, 2),
            "verified_a_cpu_second": round(verified / seconds, 1) if seconds else None,
            "vocab": list(self.signature.vocab),
            "max_len": self.signature.max_len,
            "causal": self.signature.causal,
        }
