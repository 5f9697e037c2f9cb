"""Programs as text: the RASP language in and out, the Python surface, JSON."""

from janiform.text.rasp import parse

__all__ = ["parse"]
