"""Where sybil is installed, the code in the documentation and the READMEs is run as tests.

Where hypothesis is, no test fails because the machine is slow.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

if find_spec("sybil"):
    sys.path.insert(0, str(Path(__file__).parent / "docs" / "_ext"))
    from snippets import pytest_collect_file  # noqa: F401  (pytest finds the hook by its name)

if find_spec("hypothesis"):
    from hypothesis import settings

    settings.register_profile("no deadline", deadline=None)
    settings.load_profile("no deadline")
