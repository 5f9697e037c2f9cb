"""Count parameters, layers and widths beside Tracr's, on every program of Tracr's library.

Parameters are all weights that the model holds, embeddings included; the peak width is the number of residual dimensions.
"""

from __future__ import annotations

from statistics import geometric_mean
from typing import Any

import beside  # noqa: F401  (one thread, before NumPy)
import tyro
from beside.ask import Tracr
from beside.cases import CASES, signature, source, vocabulary
from beside.forked import forked
from beside.results import Options, Table, publish

import janiform as jf
from janiform.compile import compile_program

LAYOUTS = ("separate", "reuse")


def measured(case: str, n: int, layout: str) -> dict[str, Any]:
    """Compile a case and count."""
    c = compile_program(jf.parse(source(case)), signature(case, 10, n), layout=layout)  # type: ignore[arg-type]
    return {
        "parameters": sum(w.size for w in c.weights.values()),
        "layers": c.config["n_layers"],
        "d_model": c.config["d_model"],
        "d_mlp": c.config["d_mlp"],
        "dtype": c.config["dtype"],
    }


def table(n: int, rows: list[dict[str, Any]]) -> Table:
    """Lay out the rows of one length, and the geometric mean of the ratios below."""
    head = ["program", "parameters: separate", "reuse", "Tracr", "Tracr / separate"]
    head += ["width: separate", "reuse", "Tracr", "layers: ours", "Tracr", "d_mlp: ours", "Tracr"]
    lines, ratios = [], []
    for r in rows:
        separate, reuse, tracr = r["separate"], r["reuse"], r["tracr"] or {}
        ratio = (
            tracr["parameters"] / separate["parameters"]
            if "parameters" in tracr and "parameters" in separate
            else None
        )
        ratios += [ratio] if ratio else []
        sides = [[side.get(k) for side in (separate, reuse, tracr)] for k in ("parameters", "d_model")]
        rest = [side.get(k) for k in ("layers", "d_mlp") for side in (separate, tracr)]
        lines.append([r["program"], *sides[0], ratio, *sides[1], *rest])
    if ratios:
        lines.append(["geometric mean", "", "", "", geometric_mean(ratios), *[""] * 7])
    wider = [
        r["program"]
        for r in rows
        if r["tracr"] and r["separate"].get("d_model", 0) >= r["tracr"].get("d_model", 1e9)
    ]
    note = (
        f" Not narrower than Tracr: {', '.join(wider)}."
        if wider
        else " Narrower than Tracr on every program."
        if ratios
        else ""
    )
    return Table(f"V = 10, N = {n}.{note}", head, lines)


def main(options: Options) -> None:
    tracr, found = Tracr(options.tracr), {}
    for n in (10,) if options.quick else (10, 20):
        found[n] = [
            {
                "program": case,
                **{layout: forked(measured, case, n, layout, limit=60) for layout in LAYOUTS},
                "tracr": tracr.ask("size", keep=True, case=case, vocab=vocabulary(case, 10), n=n),
            }
            for case in CASES
        ]
    tables = [table(n, rows) for n, rows in found.items()]
    publish("size", "Size", tables, {str(n): rows for n, rows in found.items()}, options)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
