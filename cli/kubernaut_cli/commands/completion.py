"""`kubernaut completion`: print a script that completes the command in a shell."""

import click
from click.shell_completion import get_completion_class

from kubernaut_cli.terminal import echo

__all__ = ["completion"]

_VARIABLE = "_KUBERNAUT_COMPLETE"
"""The variable that click derives from the program's name."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands, options, action types, workflow names and record ids in a SHELL.

    \b
    bash:  echo 'eval "$(kubernaut completion bash)"' >> ~/.bashrc
    zsh:   echo 'eval "$(kubernaut completion zsh)"' >> ~/.zshrc
    fish:  kubernaut completion fish > ~/.config/fish/completions/kubernaut.fish

    Exit code: 2 there is no such shell, or bash is older than 4.4.
    """  # noqa: D301 – the sign by which click keeps lines apart
    found = get_completion_class(shell)
    assert found is not None
    echo(found(ctx.find_root().command, {}, "kubernaut", _VARIABLE).source(), nl=False)
