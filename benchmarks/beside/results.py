"""Tables for people, JSON for machines, and the pages docs/results/*.md, of which every script owns a section."""

from __future__ import annotations

import datetime
import json
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import tyro

PAGES = Path(__file__).parents[2] / "docs" / "results"
TITLES = {
    "compile": "Compiler and interpreter: results",
    "decompile-compiled": "Decompiling compiled weights: results",
    "decompile-trained": "Decompiling trained transformers: results",
    "procedural": "Procedural pretraining: results",
    "realistic": "Models that look trained: results",
}
HOME = "out/tracr/bin/python"


@dataclass(frozen=True)
class Options:
    """What every script understands."""

    tracr_python: str = HOME
    """Python of an environment that has Tracr (benchmarks/README.md); without one, Tracr's columns are left out."""
    quick: bool = False
    """Measure less, in a few minutes."""
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Print JSON instead of tables."""
    write: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Put the tables into their page under docs/results/."""

    @property
    def tracr(self) -> str | None:
        """The Python to run Tracr under, if there is one."""
        return self.tracr_python if os.access(self.tracr_python, os.X_OK) else None


@dataclass(frozen=True)
class Table:
    """Rows under headings; ``says`` is the sentence that introduces them."""

    says: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def __str__(self) -> str:
        cells = [list(self.headings), *([shown(c) for c in row] for row in self.rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.headings))]
        lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths)) + " |" for row in cells]
        lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
        return "\n".join([self.says, "", *lines] if self.says else lines)


def shown(value: Any) -> str:
    """Write a cell.

    >>> [shown(x) for x in (None, 1234, 0.012345, 123.4, "all")]
    ['', '1,234', '0.0123', '123', 'all']
    """
    match value:
        case None:
            return ""
        case bool() | str():
            return str(value)
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def machine() -> str:
    """Name the machine and the versions that a number depends on."""
    model, memory = platform.processor() or platform.machine(), ""
    info, free = Path("/proc/cpuinfo"), Path("/proc/meminfo")
    if info.exists():
        names = [
            line.partition(":")[2].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        model = names[0] if names else model
    if free.exists():
        memory = f", {int(free.read_text().split()[1]) / 2**20:.0f} GiB"
    packages = ", ".join(f"{p} {version(p)}" for p in ("torch", "numpy"))
    return (
        f"{model}, {os.cpu_count()} cores{memory}; Python {platform.python_version()}, {packages}; one thread"
    )


def command(options: Options) -> str:
    """Return the command line that was given, with Tracr's Python where the README puts it."""
    words = [w.replace(options.tracr_python, HOME) for w in sys.argv[1:]]
    return shlex.join(["python", "/".join(Path(sys.argv[0]).parts[-2:]), *words])


def publish(
    section: str,
    title: str,
    tables: Sequence[Table],
    data: dict[str, Any],
    options: Options,
    *,
    page: str = "compile",
) -> None:
    """Print the tables or the data, and write the section of the page when asked to."""
    when = datetime.date.today().isoformat()
    about = {"command": command(options), "machine": machine(), "date": when}
    body = "\n\n".join(map(str, tables))
    print(json.dumps({**about, **data}) if options.json else body, flush=True)
    if options.write:
        text = f"## {title}\n\n`{about['command']}`  \n{about['machine']}; {when}.\n\n{body}"
        _replace(page, section, text)


def _replace(name: str, section: str, text: str) -> None:
    begin, end = f"<!-- {section}: begin -->", f"<!-- {section}: end -->"
    path = PAGES / f"{name}.md"
    page = path.read_text() if path.exists() else f"# {TITLES[name]}\n"
    block = f"{begin}\n{text}\n{end}"
    if begin in page:
        before, rest = page.split(begin, 1)
        page = before + block + rest.split(end, 1)[1]
    else:
        page = page.rstrip() + f"\n\n{block}\n"
    PAGES.mkdir(parents=True, exist_ok=True)
    path.write_text(page)
