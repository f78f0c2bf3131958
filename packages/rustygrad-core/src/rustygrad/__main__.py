"""``python -m rustygrad`` is the command ``rustygrad``."""

from .cli import main

main()
