"""A plugin whose module cannot be imported."""

import libfast_that_nobody_has  # noqa: F401
