"""The command that decompiles: a trained transformer goes in, a program with its evidence comes out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from janiform.cli.answers import Answer, columns
from janiform.cli.progress import progress
from janiform.errors import InputError

STAGES = 6
"""How many stages are told of."""
GATES = 30
"""About how many of these training gates takes as long as."""


@dataclass(frozen=True)
class Decompile:
    """Decompile a transformer into a program with the same mechanism, and say how far it is the same.

    Without --task the transformer is a compiled one, and its program is read off its weights. Of a model that janiform warmup or
    finetune left, the circuit is told, too: which selectors its heads follow, and how many targets are right without them.
    """

    model: Annotated[Positional[str], arg(metavar="FOLDER|FILE|NAME")]
    """A pair or a compiled model (.safetensors, .npz). With --task, a trained one: a Hugging Face GPT-2 folder, a .safetensors file, or a model that comes with Janiform, such as D2-1l1h16. Or the folder of a warm-up."""
    task: str = ""
    """The task it was trained on, as in janiform train: how inputs are drawn. Or, as in janiform warmup, "identity(symbols=33)"."""
    vocab: str | None = None
    """Without --task: names of a model's tokens in the order of their ids, where it is no pair."""
    classes: str | None = None
    """Without --task: names of the classes of its output, where it is no pair."""
    causal: bool = False
    """Without --task: that attention sees only what came before, where a file of arrays cannot say it."""
    ways: tuple[Literal["exact", "denoised", "neural", "observed"], ...] = (
        "exact",
        "denoised",
        "neural",
        "observed",
    )
    """Without --task: the ways that may be tried, in this order; the last can take half a minute."""
    circuit: bool = False
    """Of the model of a warm-up: tell the circuit alone, and look for no program."""
    inputs: int = 500
    """How many inputs of each length range are verified on."""
    interventions: int = 200
    """How many interchange interventions are made on each variable."""
    prune: bool = False
    """Prune the lifted graph too where a program is found; where none is, that is done in any case."""
    method: Literal["causal", "gates"] | None = None
    """How the lifted graph is pruned, in any case: by trial of cuts, or by the published training of gates, to compare with."""
    seed: int = 0
    """Seed of all draws."""
    out: Path | None = None
    """The folder to write to: program.py, program.rasp, test_program.py, report.html, listing.txt, ledger.json, result.json."""
    json: bool = False
    """Print one JSON object."""

    def __call__(self) -> Answer:
        from janiform.cli.decompiling_warmed import decompile_warmed, is_warmed

        if is_warmed(self.model, self.task):
            if self.prune or self.method or self.vocab or self.classes or self.causal:
                raise InputError(
                    "a warmed-up model takes --task, --circuit, --inputs, --interventions, --seed and --out, and no more"
                )
            return decompile_warmed(
                self.model,
                self.task,
                program=not self.circuit,
                inputs=self.inputs,
                interventions=self.interventions,
                seed=self.seed,
                out=self.out,
            )
        if not self.task:
            from janiform.cli.decompiling_compiled import decompile_compiled

            return decompile_compiled(
                self.model,
                vocab=self.vocab,
                classes=self.classes,
                causal=self.causal,
                ways=self.ways,
                seed=self.seed,
                out=self.out,
            )
        import torch

        from janiform.decompile.trained.gates import Gating
        from janiform.decompile.trained.pipeline import Settings, decompile
        from janiform.decompile.trained.prune import Pruning
        from janiform.model import checkpoints, read_model
        from janiform.tasks import sampler

        torch.set_num_threads(1)
        task = sampler(self.task)
        model = (
            checkpoints.load_trained(self.model)
            if self.model in checkpoints.names()
            else read_model(self.model)
        )
        settings = Settings(
            inputs=self.inputs,
            interventions=self.interventions,
            prune=self.prune or self.method is not None,
            method=self.method or "causal",
            pruning=Pruning(seed=self.seed),
            gating=Gating(seed=self.seed),
            seed=self.seed,
        )
        whole = STAGES + (GATES if self.method == "gates" else 0)
        with progress("decompiling") as tick:
            told: list[str] = []

            def tell(what: str) -> None:
                told.append(what)
                tick(min(len(told), STAGES - 1) * 100, whole * 100)

            def within(done: int, total: int) -> None:
                tick(min(len(told), STAGES - 1) * 100 + GATES * 100 * done // total, whole * 100)

            found = decompile(model, task, settings, tell=tell, tick=within)
            tick(whole * 100, whole * 100)
        if self.out is not None:
            from janiform.decompile.trained.emit import write

            write(found, model, task, self.out)
        facts = found.facts()
        right = [f"{b['model_right']:.3f}" for b in facts["match_by_length"].values()]
        rows = [
            ("level", found.level),
            ("model right", " / ".join(right) + f" at lengths {' / '.join(facts['match_by_length'])}"),
            ("match", found.match),
            *([("claimed for", ", ".join(found.lengths))] if 0 < len(found.lengths) < len(right) else []),
            ("interchange", found.interchange),
            ("lines", found.lines),
            *([("edges kept", edges_kept(facts["pruned"]))] if facts["pruned"] else []),
            ("seconds", facts["seconds"]),
            *([("why no program", found.reason)] if found.reason else []),
            *(("beware", caution) for caution in found.warnings),
            *([("written to", self.out)] if self.out is not None else []),
        ]
        return Answer(facts, f"{facts['program']}\n{columns(rows)}", good=not found.reason)


def edges_kept(pruned: dict[str, Any]) -> str:
    """Say how far a graph was pruned, how, and how often it still agrees with the model."""
    low, high = pruned["match_interval"]
    said = (
        f"{pruned['edges']} of {pruned['edges_before']} by {pruned['method']}, match {pruned['match']:.3f} "
        f"({low:.3f}-{high:.3f}), {pruned['seconds']:.1f} s"
    )
    if named := pruned["primitives"]:
        said += f"; {named['replaced']} of {named['of']} matrices as primitives, match {named['match']:.3f}"
    return said
