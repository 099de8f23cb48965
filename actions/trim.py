"""A step of building an action image: remove from /app what no action reads, compile the rest, and cache its spec.

    python3 trim.py [SERVICE …]

Bytecode is written to PYTHONPYCACHEPREFIX. Installed packages never change after the build, so their bytecode is not
compared with the source at each start. The standard library belongs to the base image, so its bytecode is. The verb
`spec` caches what the actions say of themselves, beside the bytecode.
"""

import compileall
import os
import re
import shutil
import subprocess
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
    """Trim this interpreter's environment; of botocore's data, keep only these services."""
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
    compile_folder(packages, PycInvalidationMode.UNCHECKED_HASH)
    compile_folder(Path(sysconfig.get_path("stdlib")), PycInvalidationMode.TIMESTAMP)
    subprocess.run([sys.executable, "-m", "kubernaut_sdk", "spec"], stdout=subprocess.DEVNULL, check=True)


def compile_folder(folder: Path, mode: PycInvalidationMode) -> None:
    """Compile the modules of a folder; those that cannot be compiled (templates, old syntax) are skipped."""
    compileall.compile_dir(
        folder, rx=UNUSED if mode is PycInvalidationMode.TIMESTAMP else None, quiet=2, invalidation_mode=mode
    )


def remove(path: Path) -> None:
    """Remove a file, or a folder with its content."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


if __name__ == "__main__":
    os.umask(0o022)
    main(sys.argv[1:])
