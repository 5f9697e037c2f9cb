"""Programs out of ordinarily trained transformers: lift exactly, then simplify step by step, each step checked."""

from janiform.decompile.trained.gates import Gating, train_gates
from janiform.decompile.trained.graph import CLASS, Edge, Graph, Variable
from janiform.decompile.trained.ledger import Ledger, Step
from janiform.decompile.trained.lift import lift, split
from janiform.decompile.trained.listing import count_lines, listing
from janiform.decompile.trained.prune import Pruned, Pruning, prune
from janiform.decompile.trained.run import Run, run

__all__ = [
    "CLASS",
    "Edge",
    "Gating",
    "Graph",
    "Ledger",
    "Pruned",
    "Pruning",
    "Run",
    "Step",
    "Variable",
    "count_lines",
    "lift",
    "listing",
    "prune",
    "run",
    "split",
    "train_gates",
]
