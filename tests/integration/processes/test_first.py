"""A program that is the first process of a container ends at a SIGTERM that comes while it is still importing."""

import subprocess
import sys

import pytest

# the kernel gives the first process of a container no default action; another one has to ignore the signal for that
PROGRAM = """
import os, runpy, signal, sys
number = os.getpid()
os.getpid = lambda: 1
signal.signal(signal.SIGTERM, signal.SIG_IGN)

class Meanwhile:
    def find_spec(self, name, *_):
        if name == sys.argv[2]:
            print("importing", flush=True)
            os.kill(number, signal.SIGTERM)

sys.meta_path.insert(0, Meanwhile())
runpy.run_module(sys.argv[1], run_name="__main__")
"""


@pytest.mark.parametrize(("module", "imported"), [("service.cli", "typer"), ("service.api", "fastapi")])
def test_sigterm_ends_a_program_that_is_still_importing(module: str, imported: str) -> None:
    command = [sys.executable, "-P", "-c", PROGRAM, module, imported]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (128 + 15, "importing\n", "")
