"""A drop-in for Tracr: ``from janiform.interop.tracr import rasp, lib, compiling`` and programs run as they are."""

from janiform.interop.tracr import causal_eval, compiling, lib, rasp

__all__ = ["causal_eval", "compiling", "lib", "rasp"]
