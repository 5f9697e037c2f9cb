"""What a head looks at, in words and as RASP."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from janiform.decompile.trained.selectors import (
    EVERY,
    number,
    offset,
    restarting,
    symbols,
    token_is,
    whatever,
)
from janiform.ir.functions import Apply, Arg, Lit
from janiform.ir.nodes import And, Best, Count, Indices, Select, Selector, Tokens
from janiform.ir.nodes import Sequence as Variable
from janiform.ir.program import Program
from janiform.tasks.sequences import Sampler

KEY, QUERY = Arg(0), Arg(1)


def in_words(selector: Selector, sampler: Sampler) -> str:
    """Say which keys a selector takes; what has no words stays RASP.

    >>> from janiform.tasks import sampler
    >>> in_words(Best(token_is("<sep>"), "rightmost"), sampler("sort")), in_words(offset(2), sampler("sort"))
    ('the last <sep>', 'two back')
    >>> from janiform.decompile.trained.selectors import under
    >>> in_words(under("ab", token_is("d")), sampler("abcde"))
    'under a or b every d'
    """
    known = _known(sampler)
    match selector:
        case _ if selector in known:
            return known[selector]
        case Select(pred=Apply(op="in", args=(Arg(index=0), *tokens)), keys=Tokens()):
            return f"every {' or '.join(str(t.value) for t in tokens if isinstance(t, Lit))}"
        case And(left=Select(pred=Apply(op="in", args=(Arg(index=1), *tokens)))) if (
            whatever(selector) != selector
        ):
            several = " or ".join(str(t.value) for t in tokens if isinstance(t, Lit))
            return f"under {several} {in_words(whatever(selector), sampler)}"
        case And(left=left, right=right) if left in known and right in known:
            return f"what is both {known[left]} and {known[right]}"
        case Best(selector=several, rule="leftmost" | "rightmost" as rule):
            words = in_words(several, sampler)
            which = "the first" if rule == "leftmost" else "the last"
            return (
                f"{which} {words.removeprefix('every ')}"
                if words.startswith("every ")
                else f"{which} of {words}"
            )
    return as_rasp(selector)


def priorities(selectors: Sequence[Selector], sampler: Sampler) -> str:
    """Say a priority list: the first that selects anything counts.

    >>> from janiform.tasks import sampler
    >>> priorities([token_is("<sep>"), offset(1)], sampler("sort"))
    'every <sep>; where there is none, the one before'
    """
    return "; where there is none, ".join(in_words(s, sampler) for s in selectors)


def as_rasp(selector: Selector) -> str:
    """Write a selector as RASP, followed by what it is made of.

    >>> as_rasp(token_is("a"))
    'select(tokens, tokens, key == "a")'
    """
    text = of_variable(Count(selector))
    last, where, parts = text.partition(" where ")
    last = last.removeprefix("selector_width(").removesuffix(")")
    if parts.startswith(f"{last} = "):
        last, where, parts = parts.removeprefix(f"{last} = ").partition("; ")
        where = " where " if parts else ""
    return f"{last}{where}{parts}"


def of_variable(variable: Variable) -> str:
    """Write a variable as RASP, followed by what it is made of.

    >>> of_variable(Count(token_is("a")))
    'selector_width(select(tokens, tokens, key == "a"))'
    """
    text = " ".join(line.strip() for line in str(Program({"x": variable})).splitlines())
    *parts, last = text.removesuffix(";").split("; ")
    last = last.removeprefix("x = ")
    return f"{last} where {'; '.join(parts)}" if parts else last


@cache
def _known(sampler: Sampler) -> dict[Selector, str]:
    """Selectors of a few words."""
    known: dict[Selector, str] = {EVERY: "every position so far", symbols(sampler): "every symbol"}
    for by, word in enumerate(("the position itself", "the one before", "two back", "three back")):
        known[offset(by)] = word
    for place, word in enumerate(("first", "second", "third")):
        known[Select(Apply("==", (KEY, Lit(place))), Indices(), Indices())] = f"the {word} position"
    for every, word in ((2, "second"), (3, "third"), (4, "fourth")):
        apart = Apply("%", (Apply("-", (QUERY, KEY)), Lit(every)))
        known[Select(Apply("==", (apart, Lit(0))), Indices(), Indices())] = f"every {word} position back"
    same = Apply("==", (KEY, QUERY))
    known[Select(same, Tokens(), Tokens())] = "every key of the same token"
    known[Select(same, Tokens(), restarting(sampler, Tokens()))] = (
        "every key of the same token, <bos> at <sep>"
    )
    if all(symbol.isdigit() for symbol in sampler.symbols):
        value = number(sampler)
        known[Best(symbols(sampler), "largest", value)] = "the largest symbol"
        known[Best(symbols(sampler), "smallest", value)] = "the smallest symbol"
        above, below = (Select(Apply(op, (KEY, QUERY)), value, value) for op in (">", "<"))
        known[Best(above, "smallest", value)] = "the smallest above its own"
        known[Best(below, "largest", value)] = "the largest below its own"
    return known | {token_is(token): f"every {token}" for token in sampler.vocab}
