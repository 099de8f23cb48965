"""An example of each command, which its `--help` ends with."""

import click

__all__ = ["EXAMPLES", "add_example"]

EXAMPLES = {
    "actions list": "kubernaut actions list --image ghcr.io/you/feature-flags:1.0",
    "actions show": "kubernaut actions show kubernetes/scale_deployment",
    "build": "kubernaut build feature-flags --tag=feature-flags:1.0",
    "cancel": "kubernaut cancel scale-out-checkout --namespace shop",
    "catalog push": "kubernaut catalog push ghcr.io/you/catalog catalog",
    "catalog write": "kubernaut catalog write catalog --image ghcr.io/you/feature-flags@sha256:…",
    "completion": 'eval "$(kubernaut completion bash)"',
    "conform": "kubernaut conform feature-flags:1.0 --scenarios=feature-flags/conformance.yaml",
    "docs": "kubernaut docs pages --image feature-flags:1.0",
    "doctor": "kubernaut doctor --namespace shop",
    "effectiveness": "kubernaut effectiveness kubernetes/scale_deployment --since 30d --for CheckoutLatency=5m",
    "history list": "kubernaut history --target shop/Deployment/checkout --since 12h",
    "history show": "kubernaut history show 6b52a379",
    "monitor": "kubernaut monitor --data-storage https://records.example.com --token-file monitor-token --host 0.0.0.0",
    "new": "kubernaut new feature-flags --into ..",
    "patterns": "kubernaut patterns --since 30d -o wide",
    "publish": "kubernaut publish feature-flags:1.0 ghcr.io/you/feature-flags",
    "records checkpoint": "kubernaut records checkpoint > checkpoint",
    "records drop-month": "kubernaut records drop-month 2026-01 --retention 90d",
    "records flush": "kubernaut records flush",
    "records prove": "kubernaut records prove 01a2252a-de1b-7ed2-b7a8-0b616b52a379 > proof.json",
    "records status": "kubernaut records status",
    "records verify": "kubernaut records verify --public-key commits.pub --checkpoint checkpoint",
    "render": "kubernaut render workflow.yaml | kubectl create -f -",
    "report": "kubernaut report --workflow scale-out-checkout > incident.md",
    "run": "kubernaut run workflow.yaml --dry-run --secret git-credentials=secrets/git",
    "serve": "kubernaut serve --data records --port 8080",
    "serve backup": "kubernaut serve backup records.db",
    "serve drop-month": "kubernaut serve drop-month 2026-01 --retention 90d",
    "serve hold": "kubernaut serve hold 2026-01 --reason case-4711",
    "serve migrate": "kubernaut serve migrate --database-url postgresql://kubernaut@db.example.com/records",
    "serve token": "kubernaut serve token alice --role read 2>> access",
    "status": "kubernaut status scale-out-checkout --namespace shop --follow",
    "submit": "kubernaut submit workflow.yaml --follow",
    "target": "kubernaut target shop/Deployment/checkout --since 30d",
    "test": "kubernaut test feature-flags -- -k scale",
    "undo": "kubernaut undo --workflow scale-out-checkout --dry-run",
    "validate": "kubernaut validate workflow.yaml",
}
"""Command → an example of it, as for a shell."""


def add_example(name: str, command: click.Command) -> None:
    """Let the help of a command, and of each command in it, end with its example."""
    if name in EXAMPLES:
        command.epilog = f"\b\nExample:\n  {EXAMPLES[name]}"
    if isinstance(command, click.Group):
        for part, inner in command.commands.items():
            add_example(f"{name} {part}", inner)
