"""Names for nodes by what they do: ``previous_token``, ``count_of_token``, ``token_after_same_token``.

A name is read off a node's structure: which keys its selector takes (``text.choices``), what is read there, and how it is
reduced. Names of parts go into names of the whole, so the histogram of the previous token is ``count_of_previous_token``.
They are for people: no program changes, and programs that differ in names alone are equal.
"""

from __future__ import annotations

from dataclasses import replace

from janiform.ir.functions import Apply, Arg, Lit
from janiform.ir.nodes import Aggregate, Count, Map, Node, Select, Selector, Sequence
from janiform.ir.program import Program
from janiform.ir.semantics import Signature
from janiform.text.choices import AGAINST, Choice, Choices, word
from janiform.text.names import Names
from janiform.text.printer import reserved, stated

WIDEST = 24
"""The most letters of a name; what would have a longer one keeps the one it has."""

REDUCED = {"mean": "mean_{}", "sum": "sum_of_{}", "min": "smallest_{}", "max": "largest_{}"}


def named(program: Program, signature: Signature) -> Program:
    """Return the program with the names that its nodes call for, each once; what calls for none keeps its own.

    Names are given to nodes that have one and to those that are printed as a statement.

    >>> from janiform.text.rasp import parse
    >>> p = parse("x = aggregate(select(indices, indices - 1, ==), tokens, 0); y = selector_width(select(x, x, ==));")
    >>> print(named(p, Signature(range(3), 5)), end="")
    previous_token = aggregate(select(indices, indices - 1, ==), tokens, 0);
    y = selector_width(select(previous_token, previous_token, ==));
    """
    fresh = Names([*reserved(), *program.outputs]).fresh
    choices = Choices(signature)
    wanted = (program.names.keys() | stated(program).keys()) - set(program.outputs.values())
    names: dict[Node, str] = {}
    for n in program.nodes():
        if n in wanted:
            found = name_of(n, choices)
            if found is None or len(found) > WIDEST:
                found = program.names.get(n)
            if found is not None:
                names[n] = fresh(found)
                if isinstance(n, Sequence) and not names[n][-1].isdigit():  # copy3 says nothing of what it is
                    choices.nouns[n] = names[n]
    return replace(program, names=names)


def name_of(n: Node, choices: Choices) -> str | None:
    """Return the name that a node's structure calls for, None where it calls for none.

    >>> from janiform.ir.derived import histogram
    >>> name_of(histogram(), Choices(Signature("ab", 5)))
    'count_of_token'
    """
    if isinstance(n, Selector):
        taken = choices.of(n)
        return taken.name if taken else None
    if isinstance(n, Sequence) and (standing := choices.standing(n)):
        return standing
    match n:
        case Count(
            selector=Select(pred=Apply(op="<" | "<=" | ">" | ">=", args=(Arg(), Arg())), keys=k, queries=q)
        ) if k is q and choices.noun(k) is None:
            return "rank"
        case Count(selector=s):
            choice = choices.of(s)
            if choice is None or choice.held is None or choice.pick or choice.place.single:
                return None
            counted, elsewhere = choice.held.counted, choice.place.name == "elsewhere"
            if (
                elsewhere
                and choice.held.kind == f"same_{counted}"
                and "count" not in counted
                and "repeats" not in counted
            ):
                return f"{counted}_repeats"
            return _after(f"count_of_{counted}", choice)
        case Aggregate(selector=s, values=values):
            noun, choice = choices.noun(values), choices.of(s)
            return _read(n, noun, choice) if noun and choice else None
        case Map(fn=Apply(op="-" | "+" as op, args=(Arg(index=0), Arg(index=1))), args=(a, b)):
            one, other = choices.noun(a), choices.noun(b)
            return f"{one}_{'minus' if op == '-' else 'plus'}_{other}" if one and other else None
        case Map(fn=Apply(op=op, args=(Arg(index=0), Lit(value=v))), args=(a,)) if op in AGAINST:
            noun, said = choices.noun(a), word(v)
            return f"{noun}_{AGAINST[op]}_{said}" if noun and said else None
    return None


def _read(n: Aggregate, noun: str, choice: Choice) -> str | None:
    """What a head that reads a variable is called."""
    place, held, pick = choice.place, choice.held, choice.pick
    if held is None:
        if place.single:
            return place.of.format(noun)
        return _after(REDUCED[n.reduce].format(noun), choice) if noun != "token" else None
    if held.at:
        return None if place.name else f"{noun}_at_{held.at}"
    if pick is None:
        said = f"{REDUCED[n.reduce].format(noun)}_of_{held.kind}"
        return _after(said, choice) if held.kind and noun != "token" else None
    if pick in ("largest", "smallest"):
        said = f"{pick}_{held.kind}" if noun == held.kind else f"{noun}_of_{pick}_{held.kind}"
        return _after(said, choice)
    if held.follows:
        return f"{noun}_after_same_{held.follows}"
    if held.precedes:
        return f"{noun}_before_same_{held.precedes}"
    if held.kind is None:
        return f"{noun}_by_rank" if held.where == "rank_is_position" else f"{noun}_where_{held.where}"
    return f"{pick}_{held.kind}" if held.kind.endswith(f"_{noun}") else f"{pick}_{held.kind}_{noun}"


def _after(said: str, choice: Choice) -> str:
    return f"{said}_{choice.place.name}" if choice.place.name else said
