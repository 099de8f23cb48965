"""The controller's tests share the shapes of Kubernetes' and Tekton's objects: `objects`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "cluster"))
