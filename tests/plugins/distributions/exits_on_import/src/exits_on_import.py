"""A plugin whose module ends the program."""

import sys

sys.exit("no licence found")
