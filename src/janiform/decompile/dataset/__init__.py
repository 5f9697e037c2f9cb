"""Data sets of pairs: programs drawn by canonical size, of which no two behave alike, each compiled and compared.

Programs are stored, weights are not: ``sampling`` draws programs, ``verify`` compiles them, ``making`` fills a folder of
shards wherever an executor puts the work, ``reading`` reads and splits it, ``export`` writes it for others.
"""

from janiform.decompile.dataset.making import Plan, make
from janiform.decompile.dataset.reading import Dataset, Entry, split_of

__all__ = ["Dataset", "Entry", "Plan", "make", "split_of"]
