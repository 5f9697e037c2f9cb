"""Each command is a frozen dataclass of its options; calling it gives its answer as data and as text."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg, subcommand

from janiform.cli.answers import Answer, columns, shown
from janiform.cli.dataset import DatasetCommand
from janiform.cli.decompiling import Decompile
from janiform.cli.decompiling_compiled import TrainDecompiler
from janiform.cli.disguising import Compress, Disguise, Retrain
from janiform.cli.exporting import Export
from janiform.cli.learning import Learn
from janiform.cli.options import AboutPair
from janiform.cli.procedural import Generate
from janiform.cli.progress import progress
from janiform.cli.training import Train
from janiform.cli.warming import Finetune, Warmup
from janiform.cli.words import (
    is_causal,
    is_pair,
    read_meaning,
    read_pair,
    read_program,
    read_signature,
    read_tokens,
)
from janiform.errors import InputError

ProgramWord = Annotated[Positional[str], arg(metavar="PROGRAM")]
PairWord = Annotated[Positional[str], arg(metavar="PROGRAM|FILE.safetensors")]
Layout = Literal["separate", "reuse"]
Dtype = Literal["auto", "float32", "float64"]


@dataclass(frozen=True)
class Run:
    """Run a program on an input: by the interpreter, or from its weights where PROGRAM is a saved pair."""

    program: PairWord
    """A library name, a .rasp file, - for standard input, or a saved pair."""
    input: Annotated[Positional[str], arg(metavar="INPUT")]
    """Characters such as hello, tokens such as 3,1,2 or "the cat", or a JSON list."""
    causal: bool = False
    """Let each position see only itself and what came before."""
    json: bool = False
    """Print one JSON object."""

    def __call__(self) -> Answer:
        tokens = read_tokens(self.input)
        if is_pair(self.program):
            output = read_pair(self.program)(tokens)
        else:
            output = read_program(self.program)(tokens, causal=is_causal(self.program, self.causal))
        return Answer({"output": output}, shown(output))


@dataclass(frozen=True)
class Compile:
    """Compile a program to the weights of a transformer, and save program and weights in one file."""

    program: ProgramWord
    """A library name, a .rasp file, or - for standard input."""
    vocab: str | None = None
    """The tokens, such as abc or 0,1,2 or a JSON list; a library program has its own."""
    max_len: int | None = None
    """The longest input."""
    causal: bool = False
    """Let each position see only itself and what came before."""
    layout: Layout = "separate"
    """A subspace for each variable, or reuse those no longer read."""
    dtype: Dtype = "auto"
    """Precision of the weights; auto takes float32 where that is provably exact."""
    out: Path | None = None
    """Where to save the pair (.safetensors)."""
    json: bool = False
    """Print one JSON object."""

    def __call__(self) -> Answer:
        if self.out is not None and not is_pair(self.out.name):
            raise InputError(f"a pair is saved in a .safetensors file, not as {str(self.out)!r}")
        signature = read_signature(self.program, self.vocab, self.max_len, self.causal)
        pair = read_program(self.program).compile(signature=signature, layout=self.layout, dtype=self.dtype)
        if self.out is not None:
            pair.save(self.out)
        facts = pair.facts()
        saved = {"file": None if self.out is None else str(self.out)}
        return Answer(
            facts | saved, columns(facts.items()) + ("" if self.out is None else f"\nsaved as {self.out}")
        )


@dataclass(frozen=True, kw_only=True)
class Check(AboutPair):
    """Check that weights and program agree: on every input where that can be, else on drawn ones."""

    limit: int = 100_000
    """Try every input if there are at most this many."""
    draws: int = 10_000
    """Draw this many otherwise."""
    seed: int = 0
    """Seed of the drawn inputs."""

    def __call__(self) -> Answer:
        pair = self.pair()
        with progress("checking") as tick:
            report = pair.check(limit=self.limit, draws=self.draws, seed=self.seed, tick=tick)
        return Answer(report.data(), str(report), report.good)


@dataclass(frozen=True, kw_only=True)
class Show(AboutPair):
    """Show a program beside its layers: heads, units and subspaces."""

    def __call__(self) -> Answer:
        pair = self.pair()
        return Answer(pair.data(), pair.show())


@dataclass(frozen=True)
class Explain:
    """Say which lines, heads and tokens decided what a program gives at a position."""

    program: PairWord
    """A library name, a .rasp file, - for standard input, or a saved pair."""
    input: Annotated[Positional[str], arg(metavar="INPUT")]
    """Characters such as hello, tokens such as 3,1,2 or "the cat", or a JSON list."""
    position: int
    """The position to explain, from 0."""
    output: str | None = None
    """Which output, where the program has several."""
    vocab: str | None = None
    """The tokens to try in place of each; by default the program's own, and those of INPUT."""
    causal: bool = False
    """Let each position see only itself and what came before."""
    json: bool = False
    """Print one JSON object."""

    def __call__(self) -> Answer:
        from janiform.explain import explain

        tokens = read_tokens(self.input)
        program, vocab, causal = read_meaning(self.program, self.vocab, self.causal, tokens)
        found = explain(program, tokens, self.position, output=self.output, vocab=vocab, causal=causal)
        return Answer(found.as_dict(), str(found))


@dataclass(frozen=True)
class Debug:
    """Run a program line by line: what each line computes, up to a breakpoint or to a fault."""

    program: PairWord
    """A library name, a .rasp file, - for standard input, or a saved pair."""
    input: Annotated[Positional[str], arg(metavar="INPUT")]
    """Characters such as hello, tokens such as 3,1,2 or "the cat", or a JSON list."""
    stop: Annotated[str | None, arg(name="break", metavar="NAME")] = None
    """The line to stop after, by its name."""
    causal: bool = False
    """Let each position see only itself and what came before."""
    json: bool = False
    """Print one JSON object."""

    def __call__(self) -> Answer:
        from janiform.explain import debug

        tokens = read_tokens(self.input)
        program, _, causal = read_meaning(self.program, None, self.causal, tokens)
        breaks = () if self.stop is None else (self.stop,)
        trace = debug(program, tokens, causal=causal, breaks=breaks)
        return Answer(trace.as_dict(), str(trace), trace.fault is None)


@dataclass(frozen=True)
class Repl:
    """Type RASP and see, line by line, what it computes on the example."""

    json: bool = False
    """Print one JSON object at the end, with what was answered to each line."""

    def __call__(self) -> Answer:

        from janiform.repl import Repl as Session
        from janiform.repl import run

        if not self.json:
            return Answer({}, "", run() == 0)
        session, turns = Session(Path.cwd()), []
        for line in sys.stdin:
            turns.append({"line": line.rstrip("\n"), "answer": session.feed(line.rstrip("\n"))})
            if session.done:
                break
        if left := session.finish():
            turns.append({"line": "", "answer": left})
        return Answer({"turns": turns, "faults": session.faults}, "", session.faults == 0)


@dataclass(frozen=True)
class Library:
    """List the programs that come with Janiform, or print one."""

    name: Annotated[Positional[str | None], arg(metavar="[NAME]")] = None
    """Which program to print."""
    json: bool = False
    """Print one JSON object."""

    def __call__(self) -> Answer:
        from janiform import programs

        if self.name is None:
            listed = [
                {"name": e.name, "groups": list(e.groups), "summary": e.summary} for e in programs.entries()
            ]
            return Answer({"programs": listed}, columns((e["name"], e["summary"]) for e in listed))
        entry, text = programs.entry(self.name), programs.text(self.name)
        given, result = entry.example
        about = columns(
            [
                ("computes", entry.summary),
                ("example", f"{shown(list(given))} -> {shown(list(result))}"),
                ("tokens", shown(list(entry.vocab))),
                ("length", f"up to {entry.max_len}{', causal' if entry.causal else ''}"),
                ("source", entry.source),
            ]
        )
        return Answer(asdict(entry) | {"text": text}, f"{text.rstrip()}\n\n{about}")


@dataclass(frozen=True)
class Bench:
    """Score the library: `behaviors FILE` judges its programs on recorded inputs and outputs."""

    suite: Annotated[Positional[Literal["behaviors"]], arg(metavar="behaviors")]
    """What to score."""
    file: Annotated[Positional[Path], arg(metavar="FILE")]
    """A JSON object of behaviors by name, each a list of pairs [input, output]."""
    json: bool = False
    """Print one JSON object."""

    def __call__(self) -> Answer:
        from janiform import programs
        from janiform.bench import behaviors

        cases = behaviors.read(self.file)
        with progress("behaviors") as tick:
            score = behaviors.score(cases, programs.load, tick=tick)
        return Answer(score.data(), str(score), not score.failed)


COMMANDS: Any = (
    Annotated[Run, subcommand("run")]
    | Annotated[Compile, subcommand("compile")]
    | Annotated[Check, subcommand("check")]
    | Annotated[Show, subcommand("show")]
    | Annotated[Learn, subcommand("learn")]
    | Annotated[Train, subcommand("train")]
    | Annotated[Generate, subcommand("generate")]
    | Annotated[Warmup, subcommand("warmup")]
    | Annotated[Finetune, subcommand("finetune")]
    | Annotated[Decompile, subcommand("decompile")]
    | Annotated[TrainDecompiler, subcommand("decompile-train")]
    | Annotated[DatasetCommand, subcommand("dataset")]
    | Annotated[Compress, subcommand("compress")]
    | Annotated[Disguise, subcommand("disguise")]
    | Annotated[Retrain, subcommand("retrain")]
    | Annotated[Export, subcommand("export")]
    | Annotated[Explain, subcommand("explain")]
    | Annotated[Debug, subcommand("debug")]
    | Annotated[Repl, subcommand("repl")]
    | Annotated[Library, subcommand("library")]
    | Annotated[Bench, subcommand("bench")]
)
