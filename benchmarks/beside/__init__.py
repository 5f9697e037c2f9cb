"""What the benchmarks share: the cases, Tracr beside them, processes with limits, and the page of results.

Importing it, before NumPy, holds this process and its children to one thread.
"""

import os

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
"""The environment of every measured process, ours and Tracr's."""

os.environ.update(ONE_THREAD)
