r"""The one way to print: text from records, results, logs or a cluster must not control the terminal.

A terminal obeys escape sequences (they hide lines, set the title, type answers) and directional marks. Every command
prints by `echo` or a `kubernaut_cli.console.Terminal`; both write such characters as `\u001b`, the spelling of JSON, so
that JSON stays the same JSON. A test checks that no other module prints.
"""

import json
import re

import click

__all__ = ["echo", "one_line", "printable"]

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, except tab and newline
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction of text
    "\u2028\u2029\ufff9-\ufffb\U000e0000-\U000e007f"  # separators, annotations, tags: invisible
    "\ud800-\udfff]"  # surrogates, which no encoding can write
)


def printable(text: str) -> str:
    r"""Return the text with each character that could control a terminal escaped, such as `\u001b`."""
    return _UNSAFE.sub(lambda match: json.dumps(match[0])[1:-1], text)


def one_line(text: str) -> str:
    """Return the text as one line, so that it cannot imitate lines of this program."""
    return printable(" ⏎ ".join(text.splitlines()))


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a text on standard output, or on standard error with `err`."""
    click.echo(printable(str(text)), err=err, nl=nl)
