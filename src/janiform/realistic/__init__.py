"""Pairs that look like trained models while their mechanism stays known."""

from janiform.realistic.compress import compress
from janiform.realistic.disguise import disguise
from janiform.realistic.gpt2 import to_gpt2
from janiform.realistic.retrain import retrain

__all__ = ["compress", "disguise", "retrain", "to_gpt2"]
