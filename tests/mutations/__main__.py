"""All tables of mutations: `python -m tests.mutations [WORD ...]`."""

import sys
from pathlib import Path

from tests.mutations.runner import main

if __name__ == "__main__":
    sys.exit(main(sorted(Path(__file__).parent.glob("*.toml"))))
