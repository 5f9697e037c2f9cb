"""Long work that survives interruption: where many independent pieces run, and how runs are kept, logged and resumed."""

from janiform.train.executor import open_executor
from janiform.train.log import Log, read_log
from janiform.train.state import load_state, save_state
from janiform.train.sweep import sweep

__all__ = ["Log", "load_state", "open_executor", "read_log", "save_state", "sweep"]
