"""The commands of procedural pretraining: warm a model up on rows made by rule, and train it further with what it learned."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, UseAppendAction, arg

from janiform.cli.answers import Answer, columns
from janiform.cli.progress import progress
from janiform.errors import InputError


@dataclass(frozen=True, kw_only=True)
class _Training:
    """What both commands understand; what is left out is as the recipe says."""

    recipe: str | None = None
    """Where settings come from: a file, or warmup, finetune, tiny-warmup, tiny-finetune, text, c4,
    codeparrot, mathematics, ...; by default the published ones."""
    layers: int | None = None
    """How many blocks."""
    heads: int | None = None
    """How many heads a block has."""
    width: int | None = None
    """How wide the residual stream is."""
    context: int | None = None
    """How many positions there are; by default as many as a row has tokens."""
    steps: int | None = None
    """The most steps there are."""
    batch: int | None = None
    """How many rows a step takes."""
    rate: float | None = None
    """The learning rate."""
    warmup: int | None = None
    """Over how many steps the rate rises."""
    schedule: Literal["cosine", "constant"] | None = None
    """How the rate goes on."""
    lowest: float | None = None
    """What a cosine falls to, as a share of the rate."""
    cooldown: int | None = None
    """Over how many last steps the rate falls to 0."""
    decay: float | None = None
    """Weight decay."""
    clip: float | None = None
    """The largest norm of a gradient."""
    every: int | None = None
    """Steps from one validation to the next."""
    held: int | None = None
    """How many held-out rows a validation looks at."""
    enough: float | None = None
    """The accuracy that ends the training when two validations in a row reach it."""
    seed: int | None = None
    """Seed of the first weights and of the rows."""
    precision: Literal["float32", "bfloat16"] | None = None
    """In what matrices are multiplied."""
    accumulate: int | None = None
    """In how many pieces a batch is computed."""
    way: Literal["auto", "compiled", "autograd"] | None = None
    """How gradients are computed; auto takes the compiled step for tiny models."""
    take: UseAppendAction[tuple[str, ...]] = ()
    """Begin with parts of a model, as PARTS=MODEL: attention=runs/set, attention+layernorm=gpt2/, or runs/set for all.
    Parts are full, attention, mlp, layernorm, ln1, embeddings, positions; give it again for parts of another model."""
    from_program: UseAppendAction[tuple[str, ...]] = ()
    """Begin with a compiled program in a wider model, noise elsewhere, as PARTS=PROGRAM: haystack, or attention=induction.
    PROGRAM is a pair (.safetensors), a task, "set(symbols=33)", whose program is meant, or one of the library."""
    embeddings: Literal["average", "keep", "partial"] | None = None
    """How token embeddings are taken: their mean for each token, all of them, or those of the ids that both have."""
    noise: float | None = None
    """Control: noise on each weight that is taken, in units of its deviation."""
    amplitude: float | None = None
    """How large a program's coordinates are in the stream: the larger, the more its weights may move before it is wrong."""
    freeze: UseAppendAction[tuple[str, ...]] = ()
    """A part that is not trained, or the beginning of weights' names, such as blocks.0; may be given again."""
    slower: UseAppendAction[tuple[str, ...]] = ()
    """A part, or weights, that are trained at a lower rate, with the factor: attention=0.001; may be given again."""
    alike: bool = False
    """Let inputs in a batch be of one length, drawn for it, where the task has several."""
    untied: bool = False
    """Train the unembedding apart from the token embedding."""
    shuffle: bool = False
    """Control: permute the entries of each matrix that is taken."""
    dry_run: bool = False
    """Take the first two steps only, each on a single row, to see that everything is there and fits."""
    out: Path | None = None
    """The folder to write to: model/ for Janiform and Hugging Face, log.jsonl, result.json, and what --resume needs."""
    resume: Path | None = None
    """Go on with the training in this folder."""
    report_to: str | None = None
    """Report to wandb or trackio, too."""
    json: bool = False
    """Print one JSON object."""

    def answer(self, kind: str, task: str | None) -> Answer:
        """Train, and say what came of it."""
        from janiform.procedural.runs import resume, run
        from janiform.procedural.training import Training

        with progress("training") as tick:
            if self.resume is not None:
                if task is not None or self.out is not None or self.given():
                    raise InputError("--resume DIR takes task and settings from DIR; give nothing beside it")
                trained = resume(self.resume, tell=tick, report_to=self.report_to)
            else:
                training = Training.of(self.settings(kind, task))
                training = training.dry() if self.dry_run else training
                trained = run(training, self.out, tell=tick, report_to=self.report_to)
        facts = trained.facts()
        least = "" if trained.floor is None else f", {trained.floor:.4f} at least"
        rows = {
            "task": trained.task,
            "steps": f"{facts['steps']:,}, {trained.tokens:,} tokens",
            "loss": f"{facts['loss']:.4f} on held-out rows" + least,
            "accuracy": f"{facts['accuracy']:.4f}, at best {trained.best.accuracy:.4f} at step {trained.best.step:,}",
            "taken": f"{len(trained.taken)} weights",
            "CPU seconds": trained.cpu_seconds,
        }
        if (folder := self.resume or self.out) is not None:
            rows["written to"] = str(folder)
        return Answer(facts, columns(rows.items()))

    def settings(self, kind: str, task: str | None) -> dict[str, Any]:
        """Return the settings of the recipe with those of the command line in front."""
        from janiform.procedural.training import merged, read_settings, usual

        given = self.given() | ({} if task is None else {"task": task})
        if not {"task", "text"} & set(given) and self.recipe is None:
            raise InputError("name a task, such as set or haystack; a wrong name lists all")
        return merged(read_settings(self.recipe or usual(kind, task or "")), given)

    def given(self) -> dict[str, Any]:
        """Return what the command line says of a training."""
        from janiform.procedural.budget import Budget

        of_budget = {f.name for f in fields(Budget)}
        others = {"recipe", "out", "resume", "report_to", "json", "task", "dry_run"}
        named = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in others}
        said = {n: v for n, v in named.items() if v is not None and v is not False and v != ()}
        budget = {n: v for n, v in said.items() if n in of_budget}
        rest = {n: v for n, v in said.items() if n not in of_budget}
        return rest | ({"budget": budget} if budget else {})


@dataclass(frozen=True, kw_only=True)
class Warmup(_Training):
    """Warm a GPT-2 up on rows made by rule, before it sees any language; several tasks are mixed."""

    task: Annotated[Positional[tuple[str, ...]], arg(metavar="TASK")] = ()
    """set, "dyck(kinds=16, length=128)", "shuffled(set)", "3*set + union", ...; a wrong name lists all."""

    def __call__(self) -> Answer:
        return self.answer("warmup", " + ".join(self.task) or None)


@dataclass(frozen=True, kw_only=True)
class Finetune(_Training):
    """Train a GPT-2 on a task or on text, from random weights or from parts of models that were warmed up."""

    task: Annotated[Positional[str | None], arg(metavar="TASK")] = None
    """haystack, addition, reversed_addition, multiplication, sort, or any other task; a wrong name lists all."""
    text: UseAppendAction[tuple[str, ...]] = ()
    """In place of a task: a file, a folder, or a saved data set; may be given again."""
    tokenizer: str | None = None
    """Of the text: bytes, characters, bpe:4096 (any size), or a file tokenizer.json or its folder."""

    def __call__(self) -> Answer:
        return self.answer("finetune", self.task)
