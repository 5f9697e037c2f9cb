"""The command that exports: a pair goes in, files for the tools of others come out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from janiform.cli.answers import Answer, columns
from janiform.cli.options import AboutPair
from janiform.errors import InputError

if TYPE_CHECKING:
    from janiform.pair import Pair

SUFFIXES = {"onnx": ".onnx", "circuit-json": ".json", "pair": ".safetensors"}
"""What is one file, and its ending; the others are folders."""


@dataclass(frozen=True, kw_only=True)
class Export(AboutPair):
    """Export a pair to the files of another tool; as a GPT-2 in its shape, else as it is."""

    to: Literal["gpt2", "transformer-lens", "onnx", "circuit-json", "numpy", "pair"]
    """A Hugging Face folder, a folder for TransformerLens, an ONNX graph, a circuit as EAP-IG and MIB write it, a folder
    that NumPy alone runs, or a saved pair."""
    out: Path
    """The folder to write to; for onnx, circuit-json and pair the file."""
    shape: Literal["own", "gpt2"] = "own"
    """Give the model GPT-2's shape first; gpt2 always does."""
    tied: bool = False
    """In GPT-2's shape: one matrix for token embedding and unembedding."""
    norm: Literal["LN", "RMS"] = "LN"
    """In GPT-2's shape: LayerNorm, or RMSNorm, which no GPT-2 has."""
    both_ways: bool = False
    """In GPT-2's shape: attention both ways, for programs that look ahead, which no GPT-2 has."""
    ablation: Literal["resample", "mean", "zero"] = "resample"
    """For circuit-json: what takes the place of an edge that is cut."""

    def __call__(self) -> Answer:
        suffix = SUFFIXES.get(self.to)
        if suffix is not None and self.out.suffix != suffix:
            raise InputError(f"--to {self.to} writes a {suffix} file, not {str(self.out)!r}")
        pair = self._shaped(self.pair())
        files = [str(path) for path in self._write(pair)]
        facts = {"to": self.to, **pair.facts(), "files": files}
        return Answer(facts, columns([*pair.facts().items(), *(("written", f) for f in files)]))

    def _shaped(self, pair: Pair) -> Pair:
        """Return the pair in GPT-2's shape where that is asked for and it has not yet got it."""
        asked = self.tied or self.norm != "LN" or self.both_ways
        if self.shape == "own" and self.to != "gpt2":
            if asked:
                raise InputError(
                    "--tied, --norm and --both-ways are settings of GPT-2's shape: add --shape gpt2"
                )
            return pair
        if pair.model.config.normalization_type is not None:
            if asked:
                raise InputError(
                    "this pair has a normal shape already, which --tied, --norm and --both-ways cannot change: "
                    "leave them out, or begin with the program"
                )
            return pair
        return pair.to_gpt2(tied=self.tied, norm=self.norm, causal=not self.both_ways)

    def _write(self, pair: Pair) -> list[Path]:
        match self.to:
            case "gpt2":
                from janiform.interop.huggingface import save_gpt2

                return save_gpt2(pair, self.out)
            case "transformer-lens":
                from janiform.interop.lens import save_transformer_lens

                return save_transformer_lens(pair, self.out)
            case "numpy":
                from janiform.interop.numpy import save_numpy

                return save_numpy(pair, self.out)
            case "onnx":
                from janiform.interop.onnx import save_onnx

                return [save_onnx(pair, self.out)]
            case "circuit-json":
                from janiform.interop.circuit_json import save_circuit

                return [save_circuit(pair, self.out, self.ablation)]
            case "pair":
                pair.save(self.out)
                return [self.out]
