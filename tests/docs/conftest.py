"""The tests of the documents share readers of them: `language`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
