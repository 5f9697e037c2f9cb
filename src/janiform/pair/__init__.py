"""Two faces of one object: a program, a transformer that computes it, and what corresponds to what."""

from janiform.pair.basis import Basis, Origin
from janiform.pair.check import Report
from janiform.pair.circuit import Circuit, Edge
from janiform.pair.codec import Codec
from janiform.pair.pair import Pair, load

__all__ = ["Basis", "Circuit", "Codec", "Edge", "Origin", "Pair", "Report", "load"]
