"""A step of building an action image: remove from /app what no action reads, compile the rest, and cache its spec.

    python3 trim.py [SERVICE …]

Bytecode is written to PYTHONPYCACHEPREFIX. Installed packages never change after the build, so their bytecode is not
compared with the source at each start. The standard library belongs to the base image, so its bytecode is; only those
modules are compiled which an installed package imports, as they are less than half of it. The verb `spec` caches what
the actions say of themselves, beside the bytecode.
"""

import compileall
import json
import os
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
UNREAD = ("*/tests", "boto3/examples", "pydantic/v1", "*.dist-info/sboms")
IMPORT_ALL = """
import contextlib, importlib, io, json, pkgutil, sys, sysconfig
for module in pkgutil.walk_packages([sysconfig.get_path("purelib")], onerror=lambda _: None):
    with contextlib.suppress(BaseException), contextlib.redirect_stdout(io.StringIO()):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
print(json.dumps([module.__file__ for module in sys.modules.values() if getattr(module, "__file__", None)]))
"""


def main(services: list[str]) -> None:
    """Trim this interpreter's environment; of botocore's data, keep only these services."""
    packages = Path(sysconfig.get_path("purelib"))
    for pattern in (*INSTALLERS, *UNREAD):
        for path in packages.glob(pattern):
            remove(path)
    for pattern in ("pip*", "activate*", "Activate*"):
        for path in Path(sys.prefix, "bin").glob(pattern):
            remove(path)
    for path in (packages / "botocore" / "data").glob("*/"):
        if path.name not in services:
            remove(path)
    prefix = sys.pycache_prefix
    standard_library = Path(sysconfig.get_path("stdlib"))
    imported = [path for path in imported_files() if path.is_relative_to(standard_library)]
    if prefix is not None:
        shutil.rmtree(prefix, ignore_errors=True)  # of this program's own imports
    # templates and old syntax, which cannot be compiled, are left as they are
    compileall.compile_dir(packages, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    for path in imported:
        compileall.compile_file(path, quiet=2, invalidation_mode=PycInvalidationMode.TIMESTAMP)
    subprocess.run([sys.executable, "-m", "kubernaut_sdk", "spec"], stdout=subprocess.DEVNULL, check=True)


def imported_files() -> list[Path]:
    """Return the files of all modules that the installed packages import, as far as they can be imported."""
    done = subprocess.run([sys.executable, "-B", "-c", IMPORT_ALL], capture_output=True, text=True, check=True)
    return [Path(file) for file in json.loads(done.stdout.splitlines()[-1])]


def remove(path: Path) -> None:
    """Remove a file, or a folder with its content."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


if __name__ == "__main__":
    os.umask(0o022)
    main(sys.argv[1:])
