"""Pairs that look like trained models while their mechanism stays known."""

from janiform.realistic.disguise import disguise

__all__ = ["disguise"]
