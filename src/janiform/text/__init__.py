"""Programs as text: the RASP language in and out, the Python surface, JSON."""

from janiform.text.rasp import parse, print_program

__all__ = ["parse", "print_program"]
