"""Narrow the residual stream of compiled programs: accuracy and faithfulness against width, beside the paper's fixed recipe.

The recipe is that of Lindner et al. 2023, section 5: one matrix W, read through W and written through its transpose, from a random
start, by AdamW on the sum of the output's error and of every half-layer's, with a fixed schedule. Here it is shortened, from 3e5
steps to what ``--recipe-steps`` says, its learning rate ten times as large to make up; ``--longer`` says what more steps change.
All are judged alike, on equal widths. What is done is kept in a folder, so a run that was stopped goes on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import torch
import tyro
from beside.plot import panels
from beside.results import PAGES, Options, Table, publish

from janiform import Pair, programs
from janiform.model import Transformer
from janiform.pair.inputs import drawn
from janiform.realistic.compress import narrowed
from janiform.realistic.exact import narrowest
from janiform.realistic.least import least_width
from janiform.realistic.lessons import Lesson, Record, Teacher, recorded
from janiform.realistic.narrowing import Narrowing
from janiform.realistic.projection import Projection, project

SIZES = {"frac_prevs": (3, 5), "hist": (3, 4), "reverse": (3, 4), "sort_unique": (3, 4), "dyck1": (2, 3)}
"""Tokens and length of each program; frac_prevs as in the paper."""


@dataclass(frozen=True)
class Compression(Options):
    """How much is spent."""

    program: tuple[str, ...] = tuple(SIZES)
    """Which programs."""
    method: tuple[str, ...] = ("autoencoder", "recipe", "linear", "orthogonal")
    """Which projections are learned, in this order."""
    below: int = 2
    """How many widths below the exact one."""
    starts: int = 6
    """Starts a width."""
    rounds: int = 2
    """Rounds of polishing a width."""
    recipe_steps: int = 600
    """Steps of the recipe, of 64 inputs each."""
    longer: tuple[int, ...] = (2_400, 9_600)
    """Steps of longer recipes, tried on some programs at every width."""
    longest: tuple[str, ...] = ("frac_prevs", "hist")
    """On which programs."""
    inputs: int = 300
    """On how many inputs each is judged."""
    minutes: float = 60.0
    """Begin nothing more after so many minutes of CPU time; what was done before is shown in any case."""
    runs: Path = Path("out/compression")
    """Where what is done is kept."""


def recipe(pair: Pair, width: int, steps: int, seed: int = 0) -> Pair:
    """Compress by the paper's recipe."""
    config, teacher = pair.model.config, Teacher(pair)
    projection = Projection("linear", torch.ones(config.d_model, dtype=torch.float64))
    student = Transformer(replace(config, d_model=width, dtype="float64"), seed=None)
    weights = dict(teacher.model.named_parameters())
    points = [*teacher.heads, *teacher.units]
    draw = torch.Generator().manual_seed(seed)
    w = torch.randn(config.d_model, width, generator=draw, dtype=torch.float64) / config.d_model**0.5
    w = w.flatten().requires_grad_(True)
    optimizer = torch.optim.AdamW([w], lr=1e-2, betas=(0.9, 0.99), weight_decay=0.1)
    lessons = [teacher.lesson(64, [seed, i], plain=True) for i in range(20)]
    for step in range(steps):
        lesson = lessons[step % len(lessons)]
        falling = max(0.0, 1 - 2 * step / steps)
        optimizer.param_groups[0]["lr"] = 1e-5 + (1e-2 - 1e-5) * falling
        folded = project(weights, projection.matrices(w, width))
        found = recorded(student, folded, lesson.ids, lesson.positions, points)
        loss = output_loss(pair, found, lesson) + sum(
            (written(n, found, weights) - written(n, lesson.record, weights))[lesson.tokens]
            .square()
            .sum(-1)
            .mean()
            for n in points
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return narrowed(pair, pair, projection.matrices(w.detach(), width), "linear")


def written(name: str, record: Record, weights: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return what a half-layer writes, in the axes of the compiled model."""
    layer = name.rsplit(".", 2)[0]
    if name.endswith("hook_post"):
        return record[name] @ weights[f"{layer}.mlp.W_out"]
    return torch.einsum("bphd,hdm->bpm", record[name], weights[f"{layer}.attn.W_O"])


def output_loss(pair: Pair, found: Record, lesson: Lesson) -> torch.Tensor:
    """Cross-entropy of categories, squared error of numbers."""
    total = torch.zeros((), dtype=torch.float64)
    for r in pair.readouts:
        right, given = (x["logits"][lesson.tokens][:, r.start : r.stop] for x in (lesson.record, found))
        if r.kind == "number":
            total = total + (given - right).square().sum(-1).mean()
        else:
            total = total + torch.nn.functional.cross_entropy(given, right.argmax(-1))
    return total


@cache
def compiled(name: str) -> Pair:
    """Compile a program."""
    tokens, length = SIZES[name]
    e = programs.entry(name)
    return programs.load(name).compile(e.vocab[:tokens], length, e.causal)


def made(name: str, width: int, method: str, steps: int, options: Compression) -> Pair:
    """Compress a program to a width; what was learned on the way from the width above is in a folder."""
    pair = compiled(name)
    if method == "exact":
        return pair.compress()
    if method == "recipe":
        return recipe(pair, width, steps)
    settings = Narrowing(starts=options.starts, rounds=options.rounds)
    run = options.runs / f"{name}-{method}-{options.starts}-{options.rounds}"
    return pair.compress(width, method, settings=settings, out=run)  # type: ignore[arg-type]


def row(name: str, width: int, method: str, steps: int, options: Compression) -> dict[str, Any] | None:
    """Compress and judge, or look up what was found; None where there is no time left."""
    spent = steps if method == "recipe" else f"{options.starts}-{options.rounds}"
    kept = options.runs / f"{name}-{width}-{method}-{spent}.json"
    if kept.exists():
        found: dict[str, Any] = json.loads(kept.read_text())
        return found
    if time.process_time() > 60 * options.minutes:
        return None
    start = time.process_time()
    small = made(name, width, method, steps, options)
    seconds = time.process_time() - start
    judged = small.faithfulness(inputs=options.inputs)
    apart = [v for v in judged.variables if v.apart]
    found = {"program": name, "full": compiled(name).model.config.d_model, "width": width, "method": method}
    found |= {"outputs": judged.outputs, "variables": len(apart), "faithful": sum(v.faithful for v in apart)}
    found |= {"probe": min(v.probe for v in apart), "interchange": min(v.interchange for v in apart)}
    found |= {"verdict": judged.verdict, "seconds": seconds, "steps": steps}
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(found))
    return found


def constant(name: str, options: Compression) -> float:
    """Return the largest share of inputs that one answer, at every position, is right for."""
    pair = compiled(name)
    answers = [a for codes in drawn(pair.signature, options.inputs, 2**12, seed=0) for a in told(pair, codes)]
    values = {json.dumps(v) for a in answers for v in a}
    return max(
        sum(all(json.dumps(v) == value for v in a) for a in answers) / len(answers) for value in values
    )


def told(pair: Pair, codes: Any) -> list[list[Any]]:
    """Return the program's answers."""
    return [
        list(pair.program(list(words), causal=pair.signature.causal)) for words in pair.codec.words(codes)
    ]


@cache
def bound(name: str) -> int:
    """Return the least width at which tokens can be read as they are."""
    return least_width(compiled(name).compress())


HEADINGS = [
    "program",
    "d_model",
    "width",
    "below bound",
    "method",
    "answers right",
    "variables faithful",
    "least probe",
]
HEADINGS += ["least interchange", "verdict", "CPU s"]


def cells(r: dict[str, Any]) -> list[Any]:
    """Put a row into cells."""
    return [
        *(r[k] for k in ("program", "full", "width")),
        "yes" if r["width"] < bound(r["program"]) else "",
        r["method"],
        f"{r['outputs']:.1%}",
        f"{r['faithful']} of {r['variables']}",
        f"{r['probe']:.3f}",
        f"{r['interchange']:.3f}",
        r["verdict"],
        r["seconds"],
    ]


def summary(names: tuple[str, ...], rows: list[dict[str, Any]], options: Compression) -> Table:
    """Say of each program how narrow it can be, and how narrow it was made."""
    head = [
        "program",
        "d_model",
        "exact",
        "bound without PAD",
        "narrowest faithful",
        "narrowest right",
        "a constant",
    ]
    body = []
    for name in names:
        base = compiled(name).compress()
        mine = [r for r in rows if r["program"] == name and r["method"] != "recipe"]
        faithful = [r for r in mine if r["verdict"] == "right for the right reason"]
        right = [r for r in mine if r["outputs"] >= 0.99]
        narrow = [min(found, key=lambda r: r["width"]) for found in (faithful, right)]
        body.append(
            [name, compiled(name).model.config.d_model, base.model.config.d_model, bound(name)]
            + [f"{r['width']} ({r['method']})" for r in narrow]
            + [f"{constant(name, options):.1%}"]
        )
    says = (
        "How narrow each can be. *Exact* loses nothing at all, and no stream less wide can (`least_width(pair, padding=True)` is "
        "the same number). *Bound without PAD*: below it, something read at tokens must be misread, and only what makes no "
        "difference can make up for it. *A constant*: the share of inputs that the best constant answer is right for."
    )
    return Table(says, head, body)


def figure(names: tuple[str, ...], rows: list[dict[str, Any]]) -> str:
    """Draw accuracy and faithfulness against width."""
    shown: dict[str, Callable[[dict[str, Any]], float]] = {
        "answers right": lambda r: r["outputs"],
        "variables faithful": lambda r: r["faithful"] / r["variables"],
    }
    methods = dict.fromkeys(r["method"] for r in rows)
    lines = {
        (name, label): {
            m: [(r["width"], y(r)) for r in rows if r["program"] == name and r["method"] == m]
            for m in methods
        }
        for name in names
        for label, y in shown.items()
    }
    return panels(names, list(shown), lines)


def main(options: Compression) -> None:
    torch.set_num_threads(1)
    names = options.program[:1] if options.quick else options.program
    exact = {name: narrowest(compiled(name)) for name in names}
    longest = () if options.quick else [n for n in options.longest if n in names]
    long_steps = (options.recipe_steps, *options.longer)
    wanted = [(name, exact[name], "exact") for name in names]
    learned = [m for m in options.method if m != "recipe"]
    if "recipe" in options.method:
        wanted += [(n, exact[n] - down, "recipe") for down in range(options.below + 1) for n in names]
    for down in range(1, options.below + 1):
        wanted += [(name, exact[name] - down, method) for method in learned for name in names]
    found = [row(name, width, method, options.recipe_steps, options) for name, width, method in wanted]
    long = [
        row(name, exact[name] - down, "recipe", n, options)
        for name in longest
        for down in range(options.below + 1)
        for n in long_steps
    ]
    rows = [r for r in found if r is not None]
    order = ["exact", *options.method]
    rows.sort(key=lambda r: (names.index(r["program"]), -r["width"], order.index(r["method"])))
    says = (
        f"Each pair at {options.inputs} fresh inputs; *recipe* is the paper's, shortened to {options.recipe_steps:,} steps. "
        f"Learned widths: {options.starts} starts, seed 0, each width from the one above; its seconds are its own. "
        "*Below bound*: less wide than the bound without PAD, so a stream there cannot hold what is read as it is."
    )
    if None in found:
        says += f" {found.count(None)} more were left out for lack of time."
    tables = [summary(names, rows, options), Table(says, HEADINGS, [cells(r) for r in rows])]
    longer = [[r["program"], r["width"], r["steps"], *cells(r)[5:]] for r in long if r is not None]
    if any(r is not None and r["steps"] > options.recipe_steps for r in long):
        says = "What more steps change for the paper's recipe."
        tables.append(Table(says, ["program", "width", "steps", *HEADINGS[5:]], longer))
    if options.write:
        (PAGES / "compression.svg").write_text(figure(names, rows))
        picture = "![Answers right and variables faithful against width](compression.svg)"
        tables[0] = replace(tables[0], says=f"{picture}\n\n{tables[0].says}")
    data = {"rows": rows, "longer": [r for r in long if r is not None]}
    publish("compression", "Compression", tables, data, options, page="realistic")


if __name__ == "__main__":
    main(tyro.cli(Compression, description=__doc__))
