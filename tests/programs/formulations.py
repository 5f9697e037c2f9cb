"""Each behavior said a second time, in plain Python on lists: what the library programs are compared with.

``EACH`` maps one token to one; ``WHOLE`` maps the list ``x`` (never empty) to a list as long.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable

PRIMES = (2, 3, 5, 7, 11)
FIBONACCI = (0, 1, 1, 2, 3, 5, 8, 13, 21, 34)


def spread(f: Callable[[list], object]) -> Callable[[list], list]:
    """The same value at every position."""
    return lambda x: [f(x)] * len(x)


def placed(f: Callable[[int, list], object]) -> Callable[[list], list]:
    """A value that depends on the position and the whole list."""
    return lambda x: [f(i, x) for i in range(len(x))]


def swapped(x: list, i: int, j: int) -> list:
    """The list with two elements exchanged."""
    y = list(x)
    y[i], y[j] = x[j], x[i]
    return y


def swapped_extremes(x: list) -> list:
    low, high = min(x), max(x)
    return [high if v == low else low if v == high else v for v in x]


def divided(x: list) -> list:
    return x if len(x) < 2 or 0 in x[:2] else [v * x[0] / x[1] for v in x]


def interleaved(x: list) -> list:
    y = list(x)
    y[1::2] = x[1::2][::-1]
    return y


def by_frequency(x: list) -> list:
    count = Counter(x)
    return sorted(x, key=lambda v: -count[v])


def halves_flipped(x: list) -> list:
    h = len(x) // 2
    return x[len(x) - h :] + x[h : len(x) - h] + x[:h]


EACH: dict[str, Callable] = {
    "sum_digits": lambda v: v,
    "absolute": abs,
    "nth_fibonacci": lambda v: FIBONACCI[v],
    "decrement": lambda v: v - 1,
    "decrement_to_multiple_of_three": lambda v: v - v % 3,
    "hyperbolic_cosine": math.cosh,
    "check_fibonacci": lambda v: int(v in FIBONACCI),
    "square_root": math.sqrt,
    "hyperbolic_tangent": math.tanh,
    "hyperbolic_sine": math.sinh,
    "increment": lambda v: v + 1,
    "factorial": math.factorial,
    "cube_each_element": lambda v: v**3,
    "cube_root": lambda v: v ** (1 / 3),
    "round": round,
    "increment_to_multiple_of_three": lambda v: v + -v % 3,
    "sign": lambda v: (v > 0) - (v < 0),
    "cosine": math.cos,
    "negation": lambda v: -v,
    "sine": math.sin,
    "element_double": lambda v: v + v,
    "tangent": math.tan,
    "triple": lambda v: v + v + v,
    "arctangent": math.atan,
    "square_each_element": lambda v: v * v,
    "check_power_of_n": lambda v: int(v in (1, 2, 4, 8)),
    "binarize": lambda v: int(v >= 3),
    "identity": lambda v: v,
    "apply_threshold": lambda v: v if v >= 3 else 0,
    "replace_small_tokens": lambda v: v if v >= 2 else 0,
    "next_prime": lambda v: min(p for p in PRIMES if p >= v),
    "wrap": lambda v: 2 + (v - 2) % 5 if v < 2 or v > 6 else v,
    "logarithm": math.log10,
    "arcsine": math.asin,
    "arccosine": math.acos,
    "exponential": math.exp,
    "clip": lambda v: min(max(v, 2), 7),
    "reflect": lambda v: 4 - v if v < 2 else 14 - v if v > 7 else v,
    "check_divisibility": lambda v: int(v % 3 == 0),
    "check_square": lambda v: int(math.isqrt(v) ** 2 == v),
    "count_prime_factors": lambda v: sum(v % p == 0 for p in PRIMES) if v else 0,
    "element_subtract_constant": lambda v: v - 2,
    "check_prime": lambda v: int(v in PRIMES),
    "divide_by": lambda v: v / 2,
    "check_even": lambda v: 1 - v % 2,
}

WHOLE: dict[str, Callable[[list], list]] = {
    "first_element": spread(lambda x: x[0]),
    "count_greater_than": placed(lambda i, x: sum(v > x[i] for v in x)),
    "double_first_half": placed(lambda i, x: x[i] * (2 if i < len(x) / 2 else 1)),
    "count_frequency": placed(lambda i, x: x.count(x[i])),
    "increment_by_index": placed(lambda i, x: x[i] + i),
    "increment_odd_indices": placed(lambda i, x: x[i] + i % 2),
    "zero_every_third": placed(lambda i, x: 0 if i % 3 == 2 else x[i]),
    "element_second": spread(lambda x: x[1] if len(x) > 1 else None),
    "mirror_first_half": placed(lambda i, x: x[min(i, len(x) - 1 - i)]),
    "sorting": sorted,
    "rank": placed(lambda i, x: 1 + sum(v < x[i] for v in x)),
    "count_less_than": placed(lambda i, x: sum(v < x[i] for v in x)),
    "multiply_by_length": placed(lambda i, x: x[i] * len(x)),
    "divide_by_length": placed(lambda i, x: x[i] / len(x)),
    "histogram": placed(lambda i, x: x.count(x[i])),
    "zero_even_indices": placed(lambda i, x: x[i] if i % 2 else 0),
    "count_occurrences": placed(lambda i, x: x.count(x[i])),
    "compute_median": spread(statistics.median),
    "halve_second_half": placed(lambda i, x: x[i] / 2 if i >= len(x) // 2 else x[i]),
    "average_first_last": spread(lambda x: (x[0] + x[-1]) / 2),
    "check_increasing": spread(lambda x: int(sorted(x) == x)),
    "swap_odd_index": placed(
        lambda i, x: x[i - 1] if i % 2 == 0 and i else x[i + 1] if i % 2 and i + 1 < len(x) else x[i]
    ),
    "check_descending": spread(lambda x: int(sorted(x, reverse=True) == x)),
    "rotate_left": lambda x: x[1:] + x[:1],
    "remove_duplicates": placed(lambda i, x: x[i] if x.count(x[i]) == 1 else 0),
    "scale_by_max": placed(lambda i, x: x[i] / (max(x) or 1)),
    "sum_with_next": placed(lambda i, x: x[i] + x[min(i + 1, len(x) - 1)]),
    "swap_elements": lambda x: [x[1], x[0], *x[2:]] if len(x) > 1 else [None],
    "one_if_equal_to_next": placed(lambda i, x: 1 if x[i] == x[(i + 1) % len(x)] else x[i]),
    "swap_consecutive": placed(lambda i, x: x[i ^ 1] if i ^ 1 < len(x) else x[i]),
    "check_palindrome": spread(lambda x: int(x == x[::-1])),
    "mask_sequence": placed(lambda i, x: x[i] if i == 1 else 0),
    "alternate_elements": placed(lambda i, x: i if i % 2 else x[i]),
    "check_last_two_equal": spread(lambda x: int(len(x) > 1 and x[-1] == x[-2])),
    "insert_zeros": placed(lambda i, x: 0 if i % 2 else x[i // 2]),
    "last_element": placed(lambda i, x: 0 if i else x[-1]),
    "difference_to_next": placed(lambda i, x: x[min(i + 1, len(x) - 1)] - x[i]),
    "invert_if_sorted": lambda x: x[::-1] if sorted(x) == x else x,
    "product_with_next": placed(lambda i, x: x[i] * x[min(i + 1, len(x) - 1)]),
    "check_multiple_of_first": placed(lambda i, x: int(x[0] != 0 and x[i] % x[0] == 0)),
    "sum_of_last_two": spread(lambda x: x[-1] + x[-2] if len(x) > 1 else None),
    "pairwise_sum": placed(lambda i, x: x[i] + (x[i - 1] if i else 0)),
    "polynomial": spread(lambda x: x[0] * [*x, 0][1] + [*x, 0, 0][2]),
    "flip_halves": halves_flipped,
    "check_all_equal": spread(lambda x: int(len(set(x)) == 1)),
    "position": placed(lambda i, x: i + 1),
    "set_to_median": spread(statistics.median),
    "swap_min_max": swapped_extremes,
    "pairwise_max": placed(lambda i, x: max(x[max(i - 1, 0) : i + 1])),
    "check_alternating": spread(lambda x: int(all((a + b) % 2 for a, b in zip(x, x[1:], strict=False)))),
    "interleave_reverse": interleaved,
    "element_divide": divided,
    "set_to_index": placed(lambda i, x: i),
    "check_multiple_of_n": spread(lambda x: int(all(v % 2 == 0 for v in x))),
    "swap_first_last": lambda x: swapped(x, 0, -1),
    "test_at_least_two_equal": spread(lambda x: int(len(set(x)) < len(x))),
    "zero_if_less_than_previous": placed(lambda i, x: 0 if i and x[i] < x[i - 1] else x[i]),
    "index_parity": placed(lambda i, x: i % 2),
    "length": spread(len),
    "reverse": lambda x: x[::-1],
    "hist": placed(lambda i, x: x.count(x[i])),
    "sort_unique": sorted,
    "sort": sorted,
    "sort_freq": by_frequency,
    "frac_prevs": placed(lambda i, x: x[: i + 1].count(1) / (i + 1)),
    "count_less_freq": spread(lambda x: sum(x.count(v) < 3 for v in x)),
    "count": spread(lambda x: x.count(1)),
    "predecessor_difference": placed(lambda i, x: x[i] - x[max(i - 1, 0)]),
    "multiply_all_elements": spread(lambda x: math.prod(x[:5])),
    "sum_all_elements": spread(sum),
    "one_hot_first": placed(lambda i, x: int(i == x[0])),
    "one_hot_decode": spread(lambda x: x.index(1)),
    "max_element": spread(max),
    "min_element": spread(min),
    "rescale_by_max": placed(lambda i, x: x[i] / (max(x) or 1)),
}


def behavior(name: str) -> Callable[[list], list]:
    """The formulation of one behavior, on lists."""
    if name in EACH:
        return lambda x: [EACH[name](v) for v in x]
    return WHOLE[name]
