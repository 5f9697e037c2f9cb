"""Transformers in torch: one readable network, its hook points and its files."""

from janiform.model.config import Config
from janiform.model.hooks import HookPoint
from janiform.model.transformer import Transformer

__all__ = ["Config", "HookPoint", "Transformer"]
