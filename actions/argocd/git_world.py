"""Make the git repository that conformance.yaml uses, in the folder that is given."""

import subprocess
import sys
from pathlib import Path

folder = Path(sys.argv[1])
WHO = ("-c", "user.name=Conformance", "-c", "user.email=conformance@example.com")


def git(*words: str) -> None:
    """Run git without the user's or the system's configuration."""
    subprocess.run(
        ["git", *WHO, *words],
        check=True,
        capture_output=True,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "GIT_CONFIG_GLOBAL": "/dev/null"},
    )


work, bare = folder / "work", folder / "shop.git"
git("init", "--quiet", "--initial-branch=main", str(work))
(work / "checkout.yaml").write_text("spec:\n  replicas: 3 # sized in spring\n")
git("-C", str(work), "add", ".")
git("-C", str(work), "commit", "--quiet", "--message=First")
git("clone", "--quiet", "--bare", str(work), str(bare))
