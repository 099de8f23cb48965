"""A group of commands whose help does not cut off what a command does."""

import inspect
import re

import click

__all__ = ["CommandGroup"]

_SENTENCE = re.compile(r"(.+?\.)(?:\s|$)", re.DOTALL)


class CommandGroup(click.Group):
    """A group whose help lists each command with the first sentence of its description, whole."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, _first_sentence(command)) for name, command in found if command and not command.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _first_sentence(command: click.Command) -> str:
    text = " ".join(inspect.cleandoc(command.help or "").partition("\n\n")[0].split())
    found = _SENTENCE.match(text)
    return found[1] if found else text
