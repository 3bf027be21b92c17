"""Imports every module of the installed service, to write its bytecode and that of the libraries it uses."""

import importlib
import pkgutil

import dualtrack
import service

for package in (dualtrack, service):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
