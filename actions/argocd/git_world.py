"""Make the git repository that conformance.yaml uses, in the folder that is given, or print its state.

python3 git_world.py setup FOLDER [PORT [pull]]   with a port, also empty the forge there; with pull, open a request
python3 git_world.py state FOLDER [PORT]          print the branches, and the forge's pull requests
"""

import json
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from forge_standin import TOKEN

verb, folder, port, *wanted = [*sys.argv[1:], ""]
WHO = ("-c", "user.name=Conformance", "-c", "user.email=conformance@example.com")
work, bare = Path(folder) / "work", Path(folder) / "shop.git"


def git(*words: str) -> str:
    """Run git without the user's or the system's configuration, and return what it prints."""
    done = subprocess.run(
        ["git", *WHO, *words],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "GIT_CONFIG_GLOBAL": "/dev/null"},
    )
    return done.stdout.strip()


def forge(method: str, path: str, body: Any = None) -> Any:
    """Call the stand-in for a forge, and return its answer."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"authorization": f"token {TOKEN}"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 – on this machine
        return json.load(answer)


def setup() -> None:
    """Make the repository, with one commit on main, one to revert, and a branch to merge."""
    for path in (work, bare):
        shutil.rmtree(path, ignore_errors=True)
    git("init", "--quiet", "--initial-branch=main", str(work))
    (work / "checkout.yaml").write_text("spec:\n  replicas: 3 # sized in spring\n")
    (work / "other.yaml").write_text("a: 1\n")
    git("-C", str(work), "add", ".")
    git("-C", str(work), "commit", "--quiet", "--message=First")
    (work / "other.yaml").write_text("a: 2\n")
    git("-C", str(work), "commit", "--quiet", "--all", "--message=Second")
    git("-C", str(work), "checkout", "--quiet", "-b", "fix")
    (work / "checkout.yaml").write_text("spec:\n  replicas: 9 # sized in spring\n")
    git("-C", str(work), "commit", "--quiet", "--all", "--message=Fix")
    git("-C", str(work), "checkout", "--quiet", "main")
    git("clone", "--quiet", "--bare", str(work), str(bare))
    for name in ("http.receivepack", "uploadpack.allowFilter"):
        git(f"--git-dir={bare}", "config", name, "true")
    print(json.dumps({"second": git(f"--git-dir={bare}", "rev-parse", "main")}))
    if port:
        forge("POST", "/standin/reset")
    if wanted[:1] == ["pull"]:
        forge("POST", "/repos/shop/shop/pulls", {"title": "Fix", "body": "", "head": "fix", "base": "main"})


def state() -> None:
    """Print the branches, and the state of each pull request."""
    print(git(f"--git-dir={bare}", "for-each-ref"))
    if port:
        pulls = [
            pull
            for kind in ("open", "closed", "merged")
            for pull in forge("GET", f"/repos/shop/shop/pulls?state={kind}&base_branch=main")
        ]
        print(json.dumps(pulls))


{"setup": setup, "state": state}[verb]()
