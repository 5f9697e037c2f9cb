"""Elementary cellular automata: the states of a ring of cells, one after another; from the second state on all is target.

The first state is uniform; a cell becomes bit 4 left + 2 itself + right of the rule's number (Wolfram 1983). Cells are bits of
64-bit words, so a step of all cells of a row is a few operations on words. Ids are 0 and 1, and 2 for PAD.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from janiform.errors import InputError
from janiform.tasks.procedural.draws import Ids, Words, words
from janiform.tasks.procedural.rows import BLOCK, Procedure


@dataclass(frozen=True, slots=True)
class CellularAutomaton(Procedure):
    """``states`` states of ``cells`` cells, by any of the 256 rules.

    >>> tokens = np.empty((1, 12), np.uint16)
    >>> CellularAutomaton(rule=90, cells=4, states=3).fill(np.array([1], np.uint64), tokens), tokens.tolist()
    ((4, 12), [[1, 1, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0]])
    """

    rule: int = 110
    cells: int = 64
    states: int = 16

    def __post_init__(self) -> None:
        if not 0 <= self.rule < 256:
            raise InputError(f"rules are numbered from 0 to 255, got {self.rule}")
        if self.cells < 1 or self.states < 2:
            raise InputError(
                f"a row has at least 2 states of at least 1 cell; got {self.states} states of {self.cells} cells"
            )

    @property
    def d_vocab(self) -> int:
        return 3

    @property
    def width(self) -> int:
        return self.cells * self.states

    @property
    def block(self) -> int:
        return max(8 * BLOCK // self.width, 1)

    def fill(self, keys: Words, tokens: Ids) -> tuple[int, int]:
        terms = products(self.rule)
        state = _trimmed(words(keys, -(-self.cells // 64)), self.cells)
        history = np.empty((len(keys), self.states, state.shape[1]), "<u8")
        for i in range(self.states):
            history[:, i] = state
            state = step(terms, self.cells, state)
        bits = np.unpackbits(history.view(np.uint8), axis=2, bitorder="little", count=self.cells)
        tokens[:] = bits.reshape(len(keys), self.width)
        return self.cells, self.width


def products(rule: int) -> tuple[int, ...]:
    """Return the rule as a sum modulo 2 of products of neighbors, each a set of bits: its algebraic normal form.

    >>> products(110)  # itself + right + itself right + left itself right
    (1, 2, 3, 7)
    """
    terms = [rule >> i & 1 for i in range(8)]
    for bit in (1, 2, 4):
        terms = [t ^ (terms[i ^ bit] if i & bit else 0) for i, t in enumerate(terms)]
    return tuple(i for i, t in enumerate(terms) if t)


def step(terms: tuple[int, ...], cells: int, state: Words) -> Words:
    """Return the next state of rings of ``cells`` cells: (rows, words), the first cell in the lowest bit, 0 above the last.

    >>> bin(step(products(110), 8, np.array([[0b00010011]], np.uint64)).item())
    '0b10011011'
    """
    here, last = np.uint64(2**64 - 1), (cells - 1) % 64
    left, right = state << 1, state >> 1
    left[:, 1:] |= state[:, :-1] >> 63
    left[:, 0] |= (state[:, -1] >> last) & 1
    right[:, :-1] |= state[:, 1:] << 63
    right[:, -1] |= (state[:, 0] & 1) << last
    after = np.zeros_like(state)
    for neighbors in terms:
        factors = [x for x, bit in ((left, 4), (state, 2), (right, 1)) if neighbors & bit]
        after ^= reduce(np.bitwise_and, factors) if factors else here
    return _trimmed(after, cells)


def _trimmed(state: Words, cells: int) -> Words:
    """Clear the bits above the last cell."""
    state[:, -1] &= np.uint64(2 ** ((cells - 1) % 64 + 1) - 1)
    return state
