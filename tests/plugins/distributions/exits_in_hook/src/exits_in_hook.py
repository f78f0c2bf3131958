"""A plugin whose hook ends the program."""

import sys

from rustygrad.hookspecs import hookimpl
from rustygrad.interfaces import API_VERSION, PluginInfo


@hookimpl
def rustygrad_register_backends(register):
    sys.exit(3)


@hookimpl
def rustygrad_plugin_info():
    return PluginInfo(api=API_VERSION, summary="exits in a hook")
