"""Run while an action image is built: takes out of /app what no action ever reads, and compiles what is left.

    python3 trim.py [SERVICE …]

Bytecode goes where PYTHONPYCACHEPREFIX says. Installed packages and their bytecode travel together, so theirs is not
compared with the source at each start; the standard library is the base image's, so its is.
"""

import compileall
import os
import re
import shutil
import sys
import sysconfig
from pathlib import Path
from py_compile import PycInvalidationMode

INSTALLERS = (
    "pip",
    "pip-*",
    "setuptools",
    "setuptools-*",
    "pkg_resources",
    "_distutils_hack",
    "distutils-precedence.pth",
)
UNUSED = re.compile(
    r"/(test|tests|distutils|idlelib|tkinter|turtledemo|lib2to3|ensurepip|venv|pydoc_data|site-packages|dist-packages)/"
)


def main(services: list[str]) -> None:
    """Trims this interpreter's environment; of botocore's data only these services' stay."""
    packages = Path(sysconfig.get_path("purelib"))
    for pattern in (*INSTALLERS, "*/tests", "boto3/examples"):
        for path in packages.glob(pattern):
            remove(path)
    for pattern in ("pip*", "activate*", "Activate*"):
        for path in Path(sys.prefix, "bin").glob(pattern):
            remove(path)
    for path in (packages / "botocore" / "data").glob("*/"):
        if path.name not in services:
            remove(path)
    if (prefix := sys.pycache_prefix) is not None:
        shutil.rmtree(prefix, ignore_errors=True)
    compiled(packages, PycInvalidationMode.UNCHECKED_HASH)
    compiled(Path(sysconfig.get_path("stdlib")), PycInvalidationMode.TIMESTAMP)


def compiled(folder: Path, mode: PycInvalidationMode) -> None:
    """Writes the bytecode of a folder's modules; those that cannot be compiled (templates, old syntax) are left."""
    compileall.compile_dir(
        folder, rx=UNUSED if mode is PycInvalidationMode.TIMESTAMP else None, quiet=2, invalidation_mode=mode
    )


def remove(path: Path) -> None:
    """Removes a file, or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


if __name__ == "__main__":
    os.umask(0o022)
    main(sys.argv[1:])
