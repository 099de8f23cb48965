"""The tests of documents and language share `rules`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "rules"))
