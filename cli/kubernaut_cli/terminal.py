r"""The one way to the terminal: what records, results, logs or a cluster say is shown, never obeyed.

A terminal takes escape sequences for commands (to hide lines, to set its title, to answer as if typed) and directional
marks for layout. Every command prints by `echo` or a `kubernaut_cli.console.Terminal`; both show such characters as
`\u001b`, as JSON spells them, so that JSON stays the same JSON. A test holds that no other module prints.
"""

import json
import re

import click

__all__ = ["echo", "one_line", "printable"]

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but for tab and newline
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # direction of text
    "\u2028\u2029\ufff9-\ufffb\U000e0000-\U000e007f"  # separators, annotations, tags: seen by none
    "\ud800-\udfff]"  # what no encoding can write
)


def printable(text: str) -> str:
    r"""Return a text in which whatever a terminal would obey is spelt out, as `\u001b`."""
    return _UNSAFE.sub(lambda match: json.dumps(match[0])[1:-1], text)


def one_line(text: str) -> str:
    """Return a text as one line, so that what it says is not taken for lines of ours."""
    return printable(" ⏎ ".join(text.splitlines()))


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a text, on standard error with `err`."""
    click.echo(printable(str(text)), err=err, nl=nl)
