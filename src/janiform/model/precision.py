"""Honest float32: no product of float32 matrices inside a model is rounded to TF32 or bfloat16.

Compiled weights are exact by a bound on float32 rounding, so a process that allows faster, coarser products (for
training, say) must not reach them. Attention on a GPU runs on the kernel made of plain matrix products, which obeys the
same switch; the memory-efficient ones decide for themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel


@contextmanager
def full_precision() -> Iterator[None]:
    """Multiply float32 matrices as float32 while inside, whatever the process allows elsewhere.

    >>> with full_precision():
    ...     (torch.ones(2, 2) @ torch.ones(2, 2)).sum().item()
    8.0
    """
    switches = _switches()
    before = [getattr(backend, name) for backend, name, _ in switches]
    changed = [(b, name, honest, was) for (b, name, honest), was in zip(switches, before) if was != honest]
    try:
        for backend, name, honest, _ in changed:
            setattr(backend, name, honest)
        yield
    finally:
        for backend, name, _, was in changed:
            setattr(backend, name, was)


def _switches() -> list[tuple[Any, str, Any]]:
    """Return (where, which, honest value): one a backend from torch 2.9 on; before, TF32 has one of its own."""
    matmuls = [getattr(getattr(torch.backends, name), "matmul", None) for name in ("cuda", "mkldnn")]
    switches: list[tuple[Any, str, Any]] = [
        (m, "fp32_precision", "ieee") for m in matmuls if hasattr(m, "fp32_precision")
    ]
    return switches or [(torch.backends.cuda.matmul, "allow_tf32", False)]


@contextmanager
def honest_kernel(device: torch.device) -> Iterator[None]:
    """Keep fused attention on a GPU to the kernel that obeys ``full_precision``; on a CPU all kernels are honest."""
    if device.type != "cuda":
        yield
        return
    with sdpa_kernel(SDPBackend.MATH):
        yield
