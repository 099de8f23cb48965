"""The public names: few, sorted, all there, and each importable from where the package says it is."""

import subprocess
import sys

import kubernaut_sdk


def test_public_names_are_sorted_and_there() -> None:
    assert list(kubernaut_sdk.__all__) == sorted(kubernaut_sdk.__all__)
    assert all(getattr(kubernaut_sdk, name).__name__ == name for name in kubernaut_sdk.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(kubernaut_sdk, "Manager")


def test_importing_an_action_needs_neither_http_nor_the_store() -> None:
    code = (
        "import sys, kubernaut_sdk.program.verbs; "
        "print([m for m in ('http.client', 'httpx', 'fastapi') if m in sys.modules])"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
