"""End this process once it has used too many CPU seconds.

A thread watches, because the kernel's own limit (RLIMIT_CPU) makes the process clock count in ticks of milliseconds.
"""

import os
import threading
import time

OVER = 124
"""The exit status of a process that was ended."""


def limit_cpu(seconds: float) -> None:
    """Exit with status ``OVER`` after so many more CPU seconds of this process."""
    last = time.process_time() + seconds

    def watch() -> None:
        while time.process_time() < last:
            time.sleep(0.2)
        os._exit(OVER)

    threading.Thread(target=watch, daemon=True).start()
