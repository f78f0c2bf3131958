"""A plugin that wants a backend while it is imported."""

from rustygrad import Value

ONE = Value(1.0)
