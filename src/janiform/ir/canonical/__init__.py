"""The canonical form of programs, by way of their mechanisms.

A program is read as its mechanism (``abstract``: sources, and which selection brings what, by ``attend``, ``prefer``, ``reach``,
``counts`` and ``joined``), the mechanism is brought to normal form (``normal``) and written as a program again (``concrete``
with ``phrases`` for selectors and ``fitting`` for functions). A decompiler enters with a mechanism of its own.
"""

from janiform.ir.canonical.form import behavior_hash, canonical, canonical_hash

__all__ = ["behavior_hash", "canonical", "canonical_hash"]
