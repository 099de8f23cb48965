"""The time that imports take: `python tests/benchmarks/bench_imports.py`."""

import subprocess
import sys
from collections.abc import Callable

from measure import compare, report


def program(code: str) -> Callable[[], object]:
    """Return a function that runs code in a new interpreter."""
    return lambda: subprocess.run([sys.executable, "-c", code], check=True)


if __name__ == "__main__":
    times = compare(
        25,
        **{
            "python": program("pass"),
            "import pydantic": program("import pydantic"),
            "from pydantic import BaseModel": program("from pydantic import BaseModel"),
            "class Inputs(BaseModel)": program("from pydantic import BaseModel\nclass Inputs(BaseModel): x: int"),
            "import kubernaut_sdk": program("import kubernaut_sdk"),
        },
    )
    report("import kubernaut_sdk", times, "import pydantic", "at most 60 ms over `import pydantic`")
    report("… and beside one model, as every action has", times, "class Inputs(BaseModel)", "(for comparison)")
