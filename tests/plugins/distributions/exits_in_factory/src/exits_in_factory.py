"""A plugin whose backend ends the program."""

import sys

from rustygrad.hookspecs import hookimpl
from rustygrad.interfaces import API_VERSION, PluginInfo


def backend():
    sys.exit("no licence found")


@hookimpl
def rustygrad_register_backends(register):
    register("exiting", backend, auto_priority=2_000_000)


@hookimpl
def rustygrad_plugin_info():
    return PluginInfo(api=API_VERSION, summary="exits in its factory")
