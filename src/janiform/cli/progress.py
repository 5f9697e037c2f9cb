"""The bar that commands show: the one of ``janiform.train``."""

from janiform.train.progress import progress

__all__ = ["progress"]
