"""Mutations of the pure core: calibration, seeds, ranking, fusion, stitching, filling, tubelets.

python -m tests.mutations.core [WORD ...]
"""

import sys
from pathlib import Path

from tests.mutations.runner import main

TABLE = Path(__file__).with_suffix(".toml")

if __name__ == "__main__":
    sys.exit(main([TABLE]))
