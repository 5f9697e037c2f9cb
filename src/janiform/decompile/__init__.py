"""Programs out of transformers; the package is callable, so ``janiform.decompile(model)`` works however it was imported."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from janiform.decompile.result import Decompiled


class _Decompile(ModuleType):
    """A package that is also the function of its name."""

    def __call__(self, given: Any, **options: Any) -> Decompiled:
        """Decompile a model, a pair or a file; see ``janiform.decompile.choose.decompile``."""
        from janiform.decompile.choose import decompile

        return decompile(given, **options)


sys.modules[__name__].__class__ = _Decompile
