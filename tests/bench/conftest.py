"""The bench is a program of its own; its folder joins the path."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "bench"))
