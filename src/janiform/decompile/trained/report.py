"""A decompilation as one page: what was found, how far it is the same, where the heads look, what was tried.

The page needs nothing but itself: no scripts, pictures as SVG in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from janiform.decompile.trained.back import Back
from janiform.decompile.trained.evidence import Match
from janiform.decompile.trained.heatmap import beside, example, heatmap
from janiform.decompile.trained.pipeline import Decompiled
from janiform.decompile.trained.verify import Interchange
from janiform.decompile.trained.wording import as_rasp, of_variable, priorities
from janiform.ir.nodes import walk
from janiform.model.transformer import Transformer
from janiform.tasks.sequences import Sampler

SOFT = 0.9
"""A reading of less overlap is shown on a second example."""

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 2.2rem; }
pre { background: #f5f5f2; padding: .8rem 1rem; overflow-x: auto; font-size: .9rem; }
table { border-collapse: collapse; font-size: .9rem; } th, td { text-align: left; padding: .2rem .8rem .2rem 0; }
th { border-bottom: 1px solid #999; } td { border-bottom: 1px solid #e4e4e0; vertical-align: top; }
td code { white-space: pre-wrap; }
figure { display: inline-block; margin: .5rem 1.5rem .5rem 0; vertical-align: top; } figcaption { font-size: .85rem; }
svg text { font: 9px ui-monospace, monospace; } .frame { fill: none; stroke: #ccc; }
.no { color: #a02020; } .note { color: #555; font-size: .9rem; }
"""


def report(found: Decompiled, model: Transformer, sampler: Sampler, python: str, back: Back | None) -> str:
    """Write the page of a decompilation; ``python`` is its program as Python, and ``back`` that as weights.

    >>> from janiform.decompile.trained.pipeline import Settings, decompile
    >>> from janiform.model.checkpoints import load_trained
    >>> from janiform.tasks import sampler
    >>> model, task = load_trained("tomita2-1l1h16"), sampler("tomita2")
    >>> page = report(decompile(model, task, Settings(inputs=20)), model, task, "", None)
    >>> page.startswith("<!doctype html>"), "may_1 = tokens != &quot;1&quot;;" in page
    (True, True)
    """
    title = f"{found.task}: {shaped(model)}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        *_summary(found),
        *_program(found, python),
        *_agreement(found),
        *_interchanges(found),
        *_needs(found),
        *_back(back),
        *_heads(found, model, sampler),
        *_ledger(found),
    ]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def shaped(model: Transformer) -> str:
    """A model's shape in words.

    >>> from janiform.model.checkpoints import load_trained
    >>> shaped(load_trained("aastar-1l2h16"))
    '1 layer, 2 heads, width 16'
    """
    layers, heads = model.config.n_layers, model.config.n_heads
    counts = f"{layers} layer{'s' * (layers != 1)}, {heads} head{'s' * (heads != 1)}"
    return f"{counts}, width {model.config.d_model}"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; what is in it is text."""
    lines = ["<tr>" + "".join(f"<th>{escape(h)}</th>" for h in header) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{_cell(c)}</td>" for c in row) + "</tr>" for row in rows]
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _cell(content: object) -> str:
    return f"<code>{escape(content.text)}</code>" if isinstance(content, Code) else escape(str(content))


class Code:
    """Text of a table that is set as code."""

    def __init__(self, text: str) -> None:
        self.text = text


def _summary(found: Decompiled) -> Iterator[str]:
    if found.reason:
        yield f'<p class="no"><strong>No program was found</strong>: {escape(found.reason)}.</p>'
    for caution in found.warnings:
        yield f'<p class="no"><strong>Beware</strong>: {escape(caution)}.</p>'
    rows: list[tuple[str, object]] = [("level", found.level), ("lines", found.lines), ("match", found.match)]
    if found.interchange is not None:
        rows.append(("interchange, where it is least", f"{found.interchange:.3f}"))
    rows += [
        ("match of a table from token to answer", f"{found.unigram:.3f}"),
        ("match with heads swapped for their readings", f"{found.swapped.together:.3f}"),
        ("the same with weights by token and distance refitted", f"{found.swapped.refitted:.3f}"),
        ("error of the lifted graph", f"{found.lift_error:.1e}"),
        ("CPU seconds, and those of verifying", f"{found.seconds:.2f}, {found.seconds_verifying:.2f}"),
    ]
    yield table(("", ""), rows)


def _program(found: Decompiled, python: str) -> Iterator[str]:
    if found.program is not None:
        yield f"<h2>The program</h2>\n<pre>{escape(str(found.program))}</pre>"
        yield f"<h3>The same as Python</h3>\n<pre>{escape(python)}</pre>" if python else ""
    if found.listing:
        yield f"<h2>The pruned graph, as D-RASP</h2>\n<pre>{escape(found.listing)}</pre>"


def _agreement(found: Decompiled) -> Iterator[str]:
    yield "<h2>What both say</h2>"
    rows = [
        (length, a.n, Match(a.matched, a.n), a.right, a.right_matched, a.errors, a.errors_shared)
        for length, a in found.agreements.items()
    ]
    header = (
        "length",
        "inputs",
        "match",
        "model right",
        "of these, match",
        "answers the model gets wrong",
        "the same from the program",
    )
    yield table(header, rows)
    tried = (
        "" if found.program is not None else " The program is the best that was tried, and is not claimed."
    )
    yield (
        '<p class="note">Match is the share of inputs on which model and program agree at every asked position, with '
        f"Wilson's interval of 95 %.{tried}</p>"
    )


def _interchanges(found: Decompiled) -> Iterator[str]:
    if not found.interchanges or found.program is None:
        return
    yield "<h2>Interchange interventions</h2>"
    rows = [
        (
            ", ".join(f"{layer}.{head}" for layer, head in i.heads) or "the inputs",
            Code("\n".join(_variables(found, i))),
            Match(i.agreed, i.n) if i.n else "none was possible",
            f"{i.changing_agreed} of {i.changing}",
        )
        for i in found.interchanges
    ]
    yield table(
        ("heads", "their variables in the program", "agree after it", "of those that change an answer"), rows
    )
    yield (
        '<p class="note">What the heads write on one input is put into the run on another, and the variables that stand for '
        "it likewise. Both then have to say the same.</p>"
    )


def _variables(found: Decompiled, change: Interchange) -> list[str]:
    assert found.program is not None
    used = set(walk(*found.program.outputs.values()))
    mine = [f.node for f in found.extraction.features if f.node in used and set(f.heads) & set(change.heads)]
    return [of_variable(node) for node in mine]


def _needs(found: Decompiled) -> Iterator[str]:
    if found.needs:
        yield "<h2>What each variable is needed for</h2>"
        rows = [(Code(name), f"{left:.3f}") for name, left in found.needs.items()]
        yield table(("variable", "match where it always has its commonest value"), rows)


def _back(back: Back | None) -> Iterator[str]:
    if back is None:
        return
    yield "<h2>Back to weights</h2>"
    size = f"{len(back.signature.vocab)} tokens and inputs of up to {back.signature.max_len}"
    if back.pair is None:
        yield f"<p>The program was not compiled for {size}: {escape(back.reason)}.</p>"
        return
    yield (
        f"<p>Compiled for {size}, the program is a transformer of {shaped(back.pair.model)}. Of "
        f"{back.checked} inputs both differ on {back.different}.</p>"
    )


def _heads(found: Decompiled, model: Transformer, sampler: Sampler) -> Iterator[str]:
    extraction = found.extraction
    yield "<h2>The heads</h2>"
    yield (
        f"<p>Of {extraction.heads} heads the answers need {len(extraction.needed)}; without the others "
        f"{extraction.without:.3f} of answers stay. Blue is where a head looks, orange where its reading says: queries from "
        "top to bottom, keys from left to right. Overlap is the share of attention that the reading explains.</p>"
    )
    if extraction.readings:
        seen = [example(model, sampler, seed) for seed in (0, 1)]
        for reading in extraction.readings:
            yield f"<h3>Head {reading.layer}.{reading.head}: overlap {reading.overlap:.3f}</h3>"
            kept = found.swapped.alone[reading.layer, reading.head]
            yield (
                f"<p>It looks at {escape(priorities(reading.whole, sampler))}. With this in its place the model says the "
                f"same on {kept:.3f} of inputs.</p>"
            )
            yield table(("RASP",), [(Code(as_rasp(s)),) for s in reading.whole])
            for one in seen[: 1 + (reading.overlap < SOFT)]:
                tokens, looks, says = beside(one, reading)
                for pattern, color, who in ((looks, "#1f5fa8", "the head"), (says, "#d9730d", "its reading")):
                    picture = heatmap(pattern, tokens, color)
                    yield f"<figure>{picture}<figcaption>{who}</figcaption></figure>"


def _ledger(found: Decompiled) -> Iterator[str]:
    yield "<h2>Every step</h2>"
    rows = [
        (
            s.level,
            s.what,
            f"{s.edges_before} to {s.edges_after}" if s.edges_before or s.edges_after else "",
            f"{s.match_before:.3f} to {s.match_after:.3f}",
            "yes" if s.kept else "no",
            f"{s.seconds:.2f}",
        )
        for s in found.ledger
    ]
    yield table(("level", "step", "edges", "match", "kept", "CPU seconds"), rows)


__all__ = ["report", "shaped"]
