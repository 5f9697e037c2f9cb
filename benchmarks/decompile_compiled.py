"""Decompile compiled weights, tier by tier, on random programs; and the checkpoints that others published.

Programs are drawn over five tokens up to length 5, so that all 3,905 inputs can be compared, and kept where they are no
constant, mostly defined, and like no other in canonical form or in behavior. *Exact* means that the canonical form is the
program's own; *functional* that it means the same on every input. Rows are kept in --rows, so a run that was cut goes on.

    python benchmarks/decompile_compiled.py --programs 1000 --write
    python benchmarks/decompile_compiled.py --published FOLDER --write
    python benchmarks/decompile_compiled.py --assembled out/tracr-library --write
"""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from types import SimpleNamespace
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import numpy as np
import torch
import tyro
from beside.results import Options, Table, publish

import janiform as jf
from janiform.decompile.compiled.failure import CannotDecompile
from janiform.decompile.evidence import compare
from janiform.decompile.given import subject
from janiform.ir.canonical import behavior_hash, canonical, canonical_hash
from janiform.ir.sample import sample_program, size_of
from janiform.pair import Pair

SIGNATURE = jf.Signature(range(5), 5)
TRACR = ("hist", "length", "reverse", "frac_prevs", "sort_unique", "count")
SUMMARY = (
    "programs",
    "exact",
    "functional",
    "exact where the noisy model still computes its program",
    "mean s",
    "median s",
)
"""What ``summary`` tells of a tier."""

SIZES = ((1, 2), (3, 4), (5, 6), (7, 9), (10, 99))


def _residual(seed: int) -> Any:
    return ("orthogonal", "invertible")[seed % 2]


TIERS: dict[str, tuple[str, Callable[[Pair, int], Pair]]] = {
    "T0": ("as compiled", lambda pair, seed: pair),
    "T1": ("permuted and scaled", lambda pair, seed: pair.disguise(seed, residual=None)),
    "T2": (
        "residual change and head gauges",
        lambda pair, seed: pair.disguise(seed, residual=_residual(seed)),
    ),
    "T3 0.1%": (
        "T2 and 0.1 % noise",
        lambda pair, seed: pair.disguise(seed, residual=_residual(seed), noise=0.001),
    ),
    "T3 1%": (
        "T2 and 1 % noise",
        lambda pair, seed: pair.disguise(seed, residual=_residual(seed), noise=0.01),
    ),
    "T4 1.2x": (
        "stream compressed 1.2 times, without loss",
        lambda pair, seed: narrowed(pair, 1.2),
    ),
    "T4 2x": ("stream compressed twice, without loss", lambda pair, seed: narrowed(pair, 2)),
}


def narrowed(pair: Pair, factor: float) -> Pair:
    """The pair with a linearly compressed stream; InputError where that loses something, and would have to be learned."""
    return pair.compress(max(1, math.floor(pair.model.config.d_model / factor)), "exact")


@dataclass(frozen=True)
class Settings(Options):
    """What is measured."""

    programs: int = 1_000
    """How many programs."""
    tiers: tuple[str, ...] = tuple(TIERS)
    """Which tiers are measured: T0, T1, T2, "T3 0.1%", "T3 1%", "T4 1.2x", "T4 2x"."""
    published: Path | None = None
    """A folder of published checkpoints with their meta.json: measured instead of random programs."""
    assembled: Path | None = None
    """A folder for what Tracr compiles, made where it is missing: measured instead of random programs."""
    ways: tuple[str, ...] = ("exact", "denoised", "neural", "observed")
    """Which ways may be tried."""
    rows: Path = Path("out/decompile-compiled.jsonl")
    """Where the rows of random programs are kept."""
    seconds: float = 1e9
    """Stop after so long; what is missing is measured by the next run."""


@dataclass(frozen=True)
class Drawn:
    """A test program."""

    seed: int
    program: jf.Program
    form: jf.Program
    digest: str


def draw(count: int, signature: jf.Signature = SIGNATURE) -> Iterator[Drawn]:
    """Yield programs of which no two are one, in canonical form or in behavior."""
    seen: set[str] = set()
    seed = found = 0
    while found < count:
        rng = np.random.default_rng([seed, 6])
        program = sample_program(rng, signature, int(rng.integers(1, 11)))
        seed += 1
        try:
            form, digest = canonical(program, signature), canonical_hash(program, signature)
        except jf.CompileError:
            continue
        behavior = behavior_hash(form, signature)
        if digest in seen or behavior in seen or trivial(form, signature):
            continue
        seen |= {digest, behavior}
        found += 1
        yield Drawn(seed - 1, program, form, digest)


def trivial(form: jf.Program, signature: jf.Signature) -> bool:
    """Whether a program does nothing, says one thing always, or says nothing for half of what it is asked."""
    if not size_of(form):
        return True
    rng = np.random.default_rng(0)
    tokens, most = len(signature.vocab), 1 + signature.max_len
    values = [
        v for _ in range(60) for v in form(rng.integers(tokens, size=int(rng.integers(1, most))).tolist())
    ]
    kinds = Counter(map(str, values))
    return len(kinds) == 1 or kinds["None"] > len(values) / 2


def measured(d: Drawn, tier: str, pair: Pair, ways: tuple[Any, ...]) -> dict[str, Any]:
    """Decompile one program in one tier."""
    row: dict[str, Any] = {"seed": d.seed, "tier": tier, "size": size_of(d.form)}
    try:
        disguised = TIERS[tier][1](pair, d.seed)
    except jf.InputError:
        return row | {"lossy": True}
    if tier.startswith("T3"):
        kept = compare(subject(disguised), d.program, limit=5_000, draws=0, seed=0)
        row["sound"] = kept.exact
    start = time.process_time()
    try:
        found = jf.decompile(disguised, ways=ways)
    except CannotDecompile as e:
        return row | {
            "seconds": time.process_time() - start,
            "exact": False,
            "functional": False,
            "why": str(e)[:60],
        }
    row["seconds"] = time.process_time() - start
    exact = found.program == d.form or canonical_hash(found.program, SIGNATURE) == d.digest
    functional = exact or bool(jf.equivalent(found.program, d.program, SIGNATURE, limit=5_000))
    return row | {
        "exact": exact,
        "functional": functional,
        "method": found.method,
        "agreed": found.evidence.agreed / found.evidence.checked,
        "distance": found.evidence.weight_distance,
    }


def wilson(k: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return the interval in which a share lies in 95 of 100 cases (Wilson 1927).

    >>> [round(x, 3) for x in wilson(99, 100)]
    [0.946, 0.998]
    """
    if not n:
        return 0.0, 1.0
    p, d = k / n, 1 + z * z / n
    middle, half = (p + z * z / (2 * n)) / d, z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / d
    return max(0.0, middle - half), min(1.0, middle + half)


def summary(tier: str, own: list[dict[str, Any]], lossy: int) -> list[Any]:
    """How many programs of a tier were tried, of which some could not be made; the shares; the mean and median seconds."""
    intact = [r for r in own if r.get("sound", True)]
    seconds = [r["seconds"] for r in own]
    return [
        f"{len(own):,} of {len(own) + lossy:,}" if lossy else len(own),
        share(own, "exact"),
        share(own, "functional"),
        f"{len(intact)}: {share(intact, 'exact')}" if tier.startswith("T3") else None,
        f"{sum(seconds) / len(own):.2f}",
        f"{median(seconds):.2f}",
    ]


def share(rows: list[dict[str, Any]], key: str) -> str:
    """Write a share with its interval."""
    k, n = sum(bool(r[key]) for r in rows), len(rows)
    low, high = wilson(k, n)
    return f"{100 * k / n:.1f} % ({100 * low:.1f}-{100 * high:.1f})" if n else ""


def random_programs(options: Settings) -> None:
    """Measure random programs, and publish what is known of them."""
    start, path = time.time(), options.rows
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    known = {(r["seed"], r["tier"]) for r in rows}
    count = 100 if options.quick else options.programs
    with path.open("a") as out:
        for d in draw(count):
            if time.time() - start > options.seconds:
                break
            todo = [t for t in options.tiers if (d.seed, t) not in known]
            pair = d.program.compile(signature=SIGNATURE) if todo else None
            for tier in todo:
                assert pair is not None
                rows.append(measured(d, tier, pair, options.ways))
                out.write(json.dumps(rows[-1]) + "\n")
                out.flush()
    publish(
        "random", "Random programs", tables(rows), {"rows": len(rows)}, options, page="decompile-compiled"
    )


def tables(rows: list[dict[str, Any]]) -> list[Table]:
    """Shares by tier, by tier and size, and why where nothing was found."""
    whole, by_size, why = [], [], []
    for tier, (says, _) in TIERS.items():
        lossy = sum(r["tier"] == tier and r.get("lossy", False) for r in rows)
        own = [r for r in rows if r["tier"] == tier and "lossy" not in r]
        if not own:
            continue
        slowest = quantiles([r["seconds"] for r in own], n=100)[98] if len(own) > 1 else None
        last = None if slowest is None else f"{slowest:.2f}"
        whole.append([f"{tier}: {says}", *summary(tier, own, lossy), last])
        for low, high in SIZES:
            some = [r for r in own if low <= r["size"] <= high]
            name = f"{low}-{high}" if high < 99 else f"{low} and more"
            by_size.append([tier, name, len(some), share(some, "exact"), share(some, "functional")])
        for reason, n in Counter(r["why"] for r in own if "why" in r).most_common(3):
            why.append([tier, reason, n])
    return [
        Table(
            "Shares with 95 % Wilson intervals; CPU seconds a program, comparison on all 3,905 inputs included:",
            ["tier", *SUMMARY, "99th % s"],
            whole,
        ),
        Table(
            "By the number of operations of the canonical form:",
            ["tier", "operations", "programs", "exact", "functional"],
            by_size,
        ),
        Table("Refused, the most frequent reasons:", ["tier", "why", "programs"], why),
    ]


def published(options: Settings) -> None:
    """Decompile every checkpoint, with the names of its ids and classes, and compare on short and drawn longer inputs."""
    assert options.published is not None
    meta = json.loads((options.published / "meta.json").read_text())
    lines, right, seconds = [], 0, []
    for name, m in sorted(meta.items()):
        vocab = [
            v for v, _ in sorted(m["input_encoding"], key=lambda e: e[1]) if v not in ("BOS", "compiler_pad")
        ]
        classes = [v for v, _ in sorted(m["output_encoding"], key=lambda e: e[1])]
        start = time.process_time()
        try:
            found = jf.decompile(options.published / f"{name}.npz", vocab=vocab, classes=classes)
        except jf.JaniformError as e:
            lines.append([name, f"refused: {str(e)[:80]}", *[None] * 4])
            continue
        seconds.append(time.process_time() - start)
        e = found.evidence
        right += e.exact
        W_U = found.subject.model.weights()["unembed.W_U"]
        dims = np.flatnonzero(W_U.any(1))
        lines.append(
            [
                name,
                f"{e.agreed:,} of {e.checked:,}",
                size_of(found.program),
                found.subject.output,
                f"{dims[0]}-{dims[-1]}",
                f"{seconds[-1]:.2f}",
            ]
        )
    says = (
        f"{right} of {len(meta)} programs agree with their model on every input of up to 4 tokens and 1,000 longer ones "
        f"(mean {sum(seconds) / len(seconds):.2f} CPU s). BOS and PAD are told from weights; the output is read by the "
        "unembedding where that is the model's own, else from what the last component writes."
    )
    head = ["model", "agree", "operations", "output told by", "dimensions", "s"]
    data = {"right": right, "models": len(meta)}
    publish(
        "published",
        "Published checkpoints",
        [Table(says, head, lines)],
        data,
        options,
        page="decompile-compiled",
    )


def of_tracr(options: Settings) -> None:
    """Decompile what Tracr itself compiles of its library, and compare with all inputs."""
    assert options.assembled is not None
    if not options.assembled.is_dir():
        if options.tracr is None:
            raise SystemExit(f"{options.assembled} is not there, and no Python that has Tracr to make it")
        worker = Path(__file__).parent / "beside" / "tracr_weights.py"
        subprocess.run([options.tracr, worker, options.assembled, "5", *TRACR], check=True)
    lines, right = [], 0
    for path in sorted(options.assembled.glob("*.npz")):
        start = time.process_time()
        try:
            found = jf.decompile(from_tracr(path))
        except jf.JaniformError as e:
            lines.append([path.stem, "refused", *[None] * 4, str(e)[:110]])
            continue
        e = found.evidence
        right += e.exact
        text = " ".join(str(found.program).split())
        seconds = f"{time.process_time() - start:.2f}"
        same, undefined = interpreted(found, json.loads(path.with_suffix(".json").read_text())["interpreted"])
        agree = [f"{n:,} of {e.checked:,}" for n in (e.agreed, same)]
        lines.append([path.stem, found.method, *agree, undefined, seconds, text[:110]])
    says = (
        f"{right} of {len(lines)} programs agree with Tracr's weights on every input. Tracr keeps no unembedding. Where no "
        "component writes anything the output is undefined, as Tracr's interpreter says; Tracr's own decoder names there "
        "what softmax leaks, a hundred-millionth of a token."
    )
    head = [
        "program",
        "method",
        "as the weights",
        "as Tracr's interpreter",
        "undefined somewhere",
        "s",
        "found",
    ]
    data = {"right": right, "models": len(lines)}
    publish("tracr", "Tracr's weights", [Table(says, head, lines)], data, options, page="decompile-compiled")


def interpreted(found: Any, rows: list[tuple[list[Any], list[Any]]]) -> tuple[int, int]:
    """Count the inputs on which a program says at every position what Tracr's interpreter does, and those where this says undefined."""

    def alike(a: Any, b: Any) -> bool:
        return a is b or (None not in (a, b) and abs(a - b) < 1e-6)

    same = sum(all(map(alike, found(x), says)) for x, says in rows)
    return same, sum(None in says for _, says in rows)


def from_tracr(path: Path) -> Any:
    """What of Tracr's assembled model is read, from arrays and encoders."""
    facts, params = json.loads(path.with_suffix(".json").read_text()), {}
    with np.load(path) as arrays:
        for name in arrays.files:
            module, key = name.split("|")
            params.setdefault(module, {})[key] = arrays[name]
    special = {"bos_token": facts["bos"], "pad_token": facts["pad"]}
    outputs = facts["outputs"]
    return SimpleNamespace(
        params=params,
        model_config=SimpleNamespace(num_heads=facts["heads"], causal=facts["causal"]),
        input_encoder=SimpleNamespace(encoding_map=dict(facts["inputs"]), **special),
        output_encoder=SimpleNamespace(encoding_map=None if outputs is None else dict(outputs), **special),
    )


def main(options: Settings) -> None:
    torch.set_num_threads(1)
    if options.published is not None:
        published(options)
    elif options.assembled is not None:
        of_tracr(options)
    else:
        random_programs(options)


if __name__ == "__main__":
    main(tyro.cli(Settings, description=__doc__))
