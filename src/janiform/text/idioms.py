"""Python's own words for what stands at a place: an index, a slice, a sum of ``i`` and the length.

``i`` is the position of the query. Places and what they are called come from ``text.choices``.
"""

from __future__ import annotations

from janiform.text.choices import Place

NUMBERS = {
    "position": "i",
    "mirror_position": "len(tokens) - 1 - i",
    "sequence_length": "len(tokens)",
    "prefix_length": "i + 1",
    "suffix_length": "len(tokens) - i",
    "last_position": "len(tokens) - 1",
    "position_parity": "i % 2",
    "length_parity": "len(tokens) % 2",
}
SLICES = {"": "", "before": "[:i]", "after": "[i + 1 :]", "so_far": "[: i + 1]", "onward": "[i:]"}
CAUSAL = {"": "[: i + 1]", "so_far": "[: i + 1]", "before": "[:i]", "elsewhere": "[:i]"}


def number(standing: str | None) -> str | None:
    """Write what a variable of places alone is, None where that takes a table.

    >>> number("mirror_position"), number("position_plus_3"), number("is_first")
    ('len(tokens) - 1 - i', 'i + 3', None)
    """
    if standing is None or standing in NUMBERS:
        return NUMBERS.get(standing or "")
    for words, sign in (("position_plus_", "+"), ("position_minus_", "-"), ("position_mod_", "%")):
        if standing.startswith(words):
            return f"i {sign} {standing.removeprefix(words)}"
    return None


def index(place: Place, causal: bool) -> tuple[str, str] | None:
    """Write the position of the one key at a place, and the condition that there is one.

    >>> index(Place("previous", "previous_{}"), False)
    ('i - 1', 'i > 0')
    """
    match place.name.partition("_"):
        case "here", _, _:
            return "i", "True"
        case "previous", _, _:
            return "i - 1", "i > 0"
        case "next", _, _:
            return "i + 1", "i + 1 < len(tokens)"
        case "first", _, _:
            return "0", "True"
        case (("last" | "mirror" as name), _, _) if not causal:
            return "-1" if name == "last" else "-1 - i", "True"
        case "back", _, c:
            return f"i - {c}", f"i >= {c}"
        case "ahead", _, c:
            return f"i + {c}", f"i + {c} < len(tokens)"
        case "at", _, c:
            return c, f"i >= {c}" if causal else f"len(tokens) > {c}"
    return None


def part(place: Place, causal: bool) -> str | None:
    """Write the slice of the keys at a place.

    >>> part(Place("before"), False), part(Place("elsewhere"), False)
    ('[:i]', None)
    """
    return (CAUSAL if causal else SLICES).get(place.name)
