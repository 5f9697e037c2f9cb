"""``python -m janiform`` is the command ``janiform``."""

from janiform.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
