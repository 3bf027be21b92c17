"""Imports every module of the installed service, to write its bytecode and that of the libraries it uses."""

import importlib
import pkgutil

import service

for module in pkgutil.walk_packages(service.__path__, "service."):
    importlib.import_module(module.name)
