"""The rules of language tell good from bad; `make check` holds the whole repository to them."""

from pathlib import Path

import pytest
from language import odd_docstrings, repeated_classes


@pytest.mark.parametrize(
    ("docstring", "odd"),
    [
        ("Return the months whose partitions may be dropped.", False),
        ("The lock on one target.", False),
        ("True if the step has ended.", False),
        ("Isolated from others.", False),
        ("What became of a step.", True),
        ("Whether it has ended.", True),
        ("As `render`, but for one step.", True),
        ("Of these months those to drop.", True),
        ("The same within this process.", True),
        ("the same, quicker", True),
        ("How: slowly.", True),
    ],
)
def test_riddles_are_told_from_plain_sentences(docstring: str, odd: bool, tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    for code in (
        f'"""{docstring}"""',
        f'def f():\n    """{docstring}"""',
        f'class C:\n    x = 1\n    """{docstring}"""',
        f'X = 1\n"""{docstring}"""',
    ):
        file.write_text(code)
        assert bool(odd_docstrings([str(file)])) is odd


def test_classes_of_one_name_are_found_wherever_they_are(tmp_path: Path) -> None:
    first, second = tmp_path / "first.py", tmp_path / "second.py"
    first.write_text("class _Line: ...\nclass Page: ...\n")
    second.write_text("from first import Page\ndef f():\n    class _Line: ...\n")

    assert [(fault.file, fault.line) for fault in repeated_classes([str(first), str(second)])] == [
        (str(first), 1),
        (str(second), 3),
    ]
