"""Tests of what needs the extra `models`; without it they are not even imported."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") else ["test_*.py"]
