"""The options that several commands share: which pair a command is about, and where it saves another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from janiform.cli.answers import columns
from janiform.cli.words import is_pair, pair_of
from janiform.errors import FileError, InputError

if TYPE_CHECKING:
    from janiform.pair import Pair


@dataclass(frozen=True, kw_only=True)
class AboutPair:
    """What every command about a pair is asked."""

    program: Annotated[Positional[str], arg(metavar="PROGRAM|FILE.safetensors")]
    """A saved pair, or a program to compile first."""
    vocab: str | None = None
    """The tokens, where PROGRAM is not a saved pair."""
    max_len: int | None = None
    """The longest input, where PROGRAM is not a saved pair."""
    causal: bool = False
    """Let each position see only itself and what came before."""
    json: bool = False
    """Print one JSON object."""

    def pair(self) -> Pair:
        """Load the pair, or compile the program."""
        return pair_of(self.program, self.vocab, self.max_len, self.causal)


@dataclass(frozen=True, kw_only=True)
class MakesPair(AboutPair):
    """What every command is asked that makes another pair of one."""

    out: Path | None = None
    """Where to save the pair (.safetensors)."""

    def refuse_other_files(self) -> None:
        """Refuse to begin where the pair could not be saved."""
        if self.out is not None and not is_pair(self.out.name):
            raise InputError(f"a pair is saved in a .safetensors file, not as {str(self.out)!r}")
        if self.out is not None and not self.out.parent.is_dir():
            raise FileError(f"{self.out} cannot be written: there is no folder {self.out.parent}")

    def saved(self, pair: Pair) -> dict[str, Any]:
        """Save a pair where that is asked for, and say where it is."""
        if self.out is not None:
            pair.save(self.out)
        return {"file": None if self.out is None else str(self.out)}

    def lines(self, facts: dict[str, Any]) -> str:
        """Write facts one a line, and where the pair is saved."""
        return columns([*facts.items(), *([] if self.out is None else [("saved as", self.out)])])
