"""Rounds of a search: race after race, each also on inputs that the last one got wrong, until none are known.

Invariant: all that the next round depends on is in the state, so rounds that were restored go on as they would have gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from janiform.errors import FileError
from janiform.learn.climb import Climb, Climbing, Race, Rung, wrong_rows
from janiform.learn.draft import Draft
from janiform.learn.keep import (
    Tensors,
    pack,
    pack_draft,
    pack_examples,
    unpack,
    unpack_draft,
    unpack_examples,
    unpack_generator,
)
from janiform.tasks.examples import Examples
from janiform.tasks.exercise import Exercise


class Rounds:
    """A search at a round; ``advance`` does the next one.

    Races go on while ``oracle``, the rule of a task, knows inputs in ``beyond`` that the draft gets wrong.

    >>> from janiform.learn.climb import empty
    >>> from janiform.learn.draft import Frame
    >>> from janiform.tasks import algorithmic
    >>> hist = algorithmic("hist", 4, 4)
    >>> frame = Frame(len(hist.signature.vocab), 4, len(hist.labels))
    >>> rounds = Rounds(hist.data(size=500).train, [empty(frame)], Climbing(climbs=1), oracle=hist, beyond=hist.domain())
    >>> while not rounds.ended:
    ...     rung = rounds.advance()
    >>> rung.right, rounds.done < 10
    (True, True)
    """

    def __init__(
        self,
        train: Examples,
        starts: list[Draft],
        settings: Climbing,
        *,
        seed: int = 0,
        oracle: Exercise | None = None,
        beyond: Examples | None = None,
    ) -> None:
        self.given, self.train, self.beyond = train, train, beyond
        self.settings, self.seed = settings, seed
        self.more = oracle.sample if oracle is not None else None
        self.done, self.ended = 0, False
        self.races, self.joined = 1, np.zeros(0, np.int64)
        self.best: Rung | None = None
        self.race = Race.begin(train, starts, settings, seed=seed)

    @property
    def draft(self) -> Draft:
        """The best draft of the last race."""
        assert self.best is not None, "a race has begun"
        return self.best.draft

    def advance(self) -> Rung:
        """Do a round, and after the last of a race look for what is still wrong."""
        rung = self.race.round(self.train, self.settings, self.more)
        self.done += 1
        if self.best is None or rung.better(self.best):
            self.best = rung
        self.ended = self.done >= self.settings.rounds
        if rung.right and not self.ended:
            self.look_beyond(rung.draft)
        return rung

    def look_beyond(self, draft: Draft) -> None:
        """Begin another race where inputs are known that a draft gets wrong, else end."""
        wrong = wrong_rows(draft, self.beyond) if self.beyond is not None else self.joined[:0]
        self.ended = not len(wrong)
        if not self.ended:
            self.join(wrong)
            self.settings = replace(self.settings, climbs=1)
            self.race = Race.begin(self.train, [draft], self.settings, seed=self.seed + self.races)
            self.races, self.best = self.races + 1, None

    def join(self, rows: np.ndarray) -> None:
        """Add rows of ``beyond`` to what is learned from."""
        assert self.beyond is not None
        self.joined = np.concatenate([self.joined, rows])
        new = self.beyond.take(self.joined)
        self.train = Examples(np.concatenate([self.given.x, new.x]), np.concatenate([self.given.y, new.y]))

    # --- taken apart and put together ---------------------------------------------------------------------------------

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        """Return all that the next round depends on."""
        tensors: Tensors = {"joined": pack(self.joined)}
        climbs = [_pack_climb(climb, f"climb{i}", tensors) for i, climb in enumerate(self.race.climbs)]
        return tensors, {
            "done": self.done,
            "ended": self.ended,
            "races": self.races,
            "race": {"rounds": self.race.rounds, "climbs": climbs},
            "best": None if self.best is None else _pack_rung(self.best, "best", tensors),
        }

    def restore(self, tensors: Tensors, facts: Mapping[str, Any]) -> None:
        """Go back to a state; one that does not fit is a FileError."""
        frame = self.race.climbs[0].draft.frame
        try:
            self.done, self.ended, self.races = (facts[name] for name in ("done", "ended", "races"))
            race = facts["race"]
            climbs = [_unpack_climb(about, f"climb{i}", tensors) for i, about in enumerate(race["climbs"])]
            self.race = Race(climbs, race["rounds"])
            self.best = None if facts["best"] is None else _unpack_rung(facts["best"], "best", tensors)
            if len(rows := unpack(tensors["joined"])):
                self.join(rows)
            if self.races > 1:
                self.settings = replace(self.settings, climbs=1)
        except (KeyError, IndexError, TypeError, ValueError) as e:
            raise FileError(
                f"the saved state is no state of this search: {e!r}; delete it to begin anew"
            ) from None
        drafts = [climb.draft for climb in climbs] + ([self.best.draft] if self.best else [])
        if not climbs or any(draft.frame != frame for draft in drafts):
            raise FileError("the saved state is of another search; delete it to begin anew")


def _pack_climb(climb: Climb, at: str, tensors: Tensors) -> dict[str, Any]:
    for name in ("held", "looked", "wrong"):
        pack_examples(getattr(climb, name), f"{at}/{name}", tensors)
    return {
        "draft": pack_draft(climb.draft, f"{at}/draft", tensors),
        "rng": climb.rng.bit_generator.state,
        "fresh": climb.fresh,
        "rounds": climb.rounds,
    }


def _unpack_climb(about: dict[str, Any], at: str, tensors: Tensors) -> Climb:
    draft = unpack_draft(about["draft"], f"{at}/draft", tensors)
    held, looked, wrong = (
        unpack_examples(f"{at}/{name}", tensors, draft.frame) for name in ("held", "looked", "wrong")
    )
    if held is None:
        raise KeyError(f"{at}/held")
    fresh = tuple(range(len(draft.units))[i] for i in about["fresh"])
    return Climb(draft, held, unpack_generator(about["rng"]), fresh, about["rounds"], looked, wrong)


def _pack_rung(rung: Rung, at: str, tensors: Tensors) -> dict[str, Any]:
    names = ("round", "token_accuracy", "sequence_accuracy", "right")
    return {"draft": pack_draft(rung.draft, at, tensors), **{name: getattr(rung, name) for name in names}}


def _unpack_rung(about: dict[str, Any], at: str, tensors: Tensors) -> Rung:
    return Rung(**{**about, "draft": unpack_draft(about["draft"], at, tensors)})
