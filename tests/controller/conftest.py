"""The controller's tests find the shared modules of `tests/cluster`, such as `objects`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "cluster"))
