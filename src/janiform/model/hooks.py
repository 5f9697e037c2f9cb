"""Hook points: named identity modules through which every activation passes, and what is hung on them.

They are plain ``nn.Identity`` children, so tools that trace modules see them without knowing this package. Names follow
TransformerLens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from janiform.errors import InputError

Hook = Callable[..., Tensor | None]
"""``hook(value, hook=point)`` returns a replacement, or None to leave the value."""
NameFilter = str | Sequence[str] | Callable[[str], bool] | None


class HookPoint(nn.Identity):
    """A place in the network that can be read and replaced; ``name`` is its path in the model."""

    name: str = ""

    @property
    def watched(self) -> bool:
        """Whether anybody looks: values that cost something are computed only then.

        Tracing tools hang hooks on a module, or put a ``forward`` of their own into the instance.
        """
        hooks = (
            self._forward_hooks or self._forward_pre_hooks or self._backward_hooks or self._backward_pre_hooks
        )
        return bool(hooks) or "forward" in vars(self)


def hook_points(model: nn.Module) -> dict[str, HookPoint]:
    """Return every hook point of ``model`` by name."""
    return {name: m for name, m in model.named_modules() if isinstance(m, HookPoint)}


def select(names: Sequence[str], wanted: NameFilter) -> list[str]:
    """Return the names that a filter picks; ``InputError`` for a name that does not exist.

    >>> select(["hook_embed", "blocks.0.hook_resid_pre"], lambda name: "resid" in name)
    ['blocks.0.hook_resid_pre']
    """
    if wanted is None:
        return list(names)
    if callable(wanted):
        return [n for n in names if wanted(n)]
    chosen = [wanted] if isinstance(wanted, str) else list(wanted)
    for name in chosen:
        if name not in names:
            raise InputError(f"there is no hook point {name!r}; the model has {', '.join(names)}")
    return chosen


@contextmanager
def hung(points: dict[str, HookPoint], hooks: Sequence[tuple[NameFilter, Hook]]) -> Iterator[None]:
    """Hang ``hooks`` on their points, in order, and take them off again whatever happens."""
    handles = []
    try:
        for wanted, fn in hooks:
            for name in select(list(points), wanted):
                handles.append(points[name].register_forward_hook(_calling(fn, points[name])))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _calling(fn: Hook, point: HookPoint) -> Callable[[nn.Module, Any, Tensor], Tensor | None]:
    return lambda module, args, value: fn(value, hook=point)
