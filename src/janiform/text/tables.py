"""Finite functions in Python's words: a comparison, membership, a list or a dict, whichever is shortest.

A function is given by its ``cells``, the text of its result for all values that its arguments can have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from janiform.ir.nodes import Value

Domain = Sequence[Value]
Read = tuple[str, Domain]
"""How an argument is written, and the words and whole numbers that it can be."""

Way = tuple[str, str]
"""A table, and what is written after its name to read it."""

Cells = Mapping[tuple[Value, ...], str]
Name = Callable[[str], str]
"""Puts a table above the program and returns its name."""


def looked_up(read: Sequence[Read], cells: Cells, default: str, name: Name) -> str | None:
    """Write a function of one or two arguments; None for one of more.

    >>> looked_up([("x", "abc")], {("a",): "1", ("b",): "0", ("c",): "0"}, "0", str)
    "1 if x == 'a' else 0"
    """
    found = set(cells.values())
    if len(found) == 1:
        return found.pop()
    if len(read) > 2:
        return None
    if found == {"True", "False"}:
        (x, xs), *others = read
        if others:
            return related((x, xs), others[0], {k for k, v in cells.items() if v == "True"}, name)
        return among((x, xs), [k for k in xs if cells[(k,)] == "True"])
    common = default if default in found else Counter(cells.values()).most_common(1)[0][0]
    kept = [k for k, v in cells.items() if v != common]
    if len(kept) == 1:
        test = " and ".join(f"{x} == {k!r}" for (x, _), k in zip(read, kept[0], strict=True))
        return f"{cells[kept[0]]} if {test} else {common}"
    if len(read) == 1:
        if all(cells[k] == repr(k[0]) for k in kept):
            (x, domain), alike = read[0], [k for (k,), v in cells.items() if v == repr(k)]
            return x if len(alike) == len(domain) else f"{x} if {among(read[0], alike)} else {common}"
        ways = list(_ways(read[0], {k[0]: v for k, v in cells.items()}, common))
    else:
        turned: Cells = {(b, a): v for (a, b), v in cells.items()}
        ways = [*_nested(read[0], read[1], cells, common), *_nested(read[1], read[0], turned, common)]
    table, use = min(ways, key=lambda way: len(way[0]) + len(way[1]))
    return name(table) + use


def among(read: Read, chosen: Domain) -> str:
    """Write that an argument is among some of its values.

    >>> among(("x", (0, 1, 2, 3)), (0, 1)), among(("x", "abcd"), "bd"), among(("x", "abcd"), "abd")
    ('x <= 1', "x in 'bd'", "x != 'c'")
    """
    x, domain = read
    left = [v for v in domain if v not in chosen]
    if len(chosen) == 1:
        return f"{x} == {chosen[0]!r}"
    if len(left) == 1:
        return f"{x} != {left[0]!r}"
    if all(isinstance(v, int) for v in domain):
        numbers, others = [v for v in chosen if isinstance(v, int)], [v for v in left if isinstance(v, int)]
        if max(numbers) < min(others):
            return f"{x} <= {max(numbers)}"
        if min(numbers) > max(others):
            return f"{x} >= {min(numbers)}"
    few, word = (chosen, "in") if len(chosen) <= len(left) else (left, "not in")
    return f"{x} {word} {_set(few, domain)}"


def related(key: Read, query: Read, pairs: set[tuple[Value, ...]], name: Name) -> str:
    """Write a relation of key and query: the key, the last key, or the set of keys of each query."""
    (x, keys), (_, queries) = key, query
    rows = {q: [k for k in keys if (k, q) in pairs] for q in queries}
    flipped = {q: [k for k in keys if (k, q) not in pairs] for q in queries}
    found: list[tuple[str, dict[Value, str], str]] = []
    for several, word, same in ((rows, "in", "=="), (flipped, "not in", "!=")):
        if all(len(row) <= 1 for row in several.values()):
            ones = {q: repr(row[0]) if row else "None" for q, row in several.items()}
            found.append((f"{x} {same} ", ones, "None"))
        found.append((f"{x} {word} ", {q: _set(row, keys) for q, row in several.items()}, _set((), keys)))
    numbers = sorted(k for k in keys if isinstance(k, int))
    if len(numbers) == len(keys):
        for several, low in ((rows, "<="), (flipped, ">")):
            if all(sorted(row, key=str) == sorted(numbers[: len(row)], key=str) for row in several.values()):
                ends = {
                    q: str(numbers[len(row) - 1] if row else numbers[0] - 1) for q, row in several.items()
                }
                found.append((f"{x} {low} ", ends, Counter(ends.values()).most_common(1)[0][0]))
    alike = [start + next(iter(ends.values())) for start, ends, _ in found if len(set(ends.values())) == 1]
    if alike:
        return min(alike, key=len)
    ways = [(start, way) for start, entries, default in found for way in _ways(query, entries, default)]
    start, (table, use) = min(ways, key=lambda way: len(way[1][0]) + len(way[1][1]))
    return start + name(table) + use


def _ways(read: Read, entries: Mapping[Value, str], default: str) -> Iterator[Way]:
    """A list where the values count from 0 or little above, and a dict of what is not ``default``."""
    x, domain = read
    if _counted(domain):
        yield _list(entries, domain, default), f"[{x}]"
    kept = {k: v for k, v in entries.items() if v != default}
    yield _dict(kept), f"[{x}]" if len(kept) == len(domain) else f".get({x}, {default})"


def _nested(outer: Read, inner: Read, cells: Cells, default: str) -> Iterator[Way]:
    """Lists or dicts for the second argument, in a list or dict for the first."""
    (_, xs), (y, ys) = outer, inner
    rows = {a: {b: cells[a, b] for b in ys} for a in xs}
    if _counted(ys):
        lists = {a: _list(row, ys, default) for a, row in rows.items()}
        for table, use in _ways(outer, lists, Counter(lists.values()).most_common(1)[0][0]):
            yield table, f"{use}[{y}]"
    dicts = {a: _dict({b: v for b, v in row.items() if v != default}) for a, row in rows.items()}
    for table, use in _ways(outer, dicts, "{}"):
        yield table, f"{use}.get({y}, {default})"


def _counted(domain: Domain) -> bool:
    numbers = [v for v in domain if isinstance(v, int)]
    return len(numbers) == len(domain) and min(numbers) >= 0 and max(numbers) < len(numbers) + 2


def _set(chosen: Domain, domain: Domain) -> str:
    """Some values of a domain: letters as one string, where no other word of the domain is a part of it."""
    if all(isinstance(v, str) for v in domain) and all(isinstance(v, str) and len(v) == 1 for v in chosen):
        letters = "".join(map(str, chosen))
        if all(v in chosen for v in domain if str(v) in letters):
            return repr(letters)
    return f"({', '.join(map(repr, chosen))}{',' * (len(chosen) == 1)})"


def _list(entries: Mapping[Value, str], domain: Domain, default: str) -> str:
    last = max(v for v in domain if isinstance(v, int))
    return f"[{', '.join(entries.get(k, default) for k in range(last + 1))}]"


def _dict(entries: Mapping[Value, str]) -> str:
    return f"{{{', '.join(f'{k!r}: {v}' for k, v in entries.items())}}}"
