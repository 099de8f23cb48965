"""`kubernaut conform`: check an action image against the action contract."""

import sys
from pathlib import Path
from typing import Any

import click

from kubernaut_cli.conformance_table import CHECKS, RESULTS, print_findings
from kubernaut_cli.console import Terminal
from kubernaut_cli.listing import listing_options_with, print_document
from kubernaut_cli.terminal import echo
from kubernaut_conformance import report
from kubernaut_conformance.checks import ACTION_CHECKS, IMAGE_CHECKS, CheckResult, ConformanceCheck
from kubernaut_conformance.examine import examine
from kubernaut_conformance.image import ActionImage
from kubernaut_conformance.scenario import read_scenarios
from kubernaut_conformance.spec import PATH, ImageSpec, parse_spec
from kubernaut_sdk import InvalidInputs

__all__ = ["conform"]


@click.command()
@click.argument("image", required=False)
@click.option(
    "--scenarios",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The scenarios that try each action. By default conformance.yaml, if there is one here.",
)
@click.option("--previous", metavar="IMAGE|FILE", help="An earlier image, or its spec.json, to compare with.")
@click.option("--check", "only", metavar="NAME", multiple=True, help="Make only this check; may be repeated.")
@listing_options_with("junit")
@click.option("--list", "listed", is_flag=True, help="Only list the checks, with their reasons and fixes.")
def conform(
    image: str | None,
    file: Path | None,
    previous: str | None,
    only: tuple[str, ...],
    output: str,
    no_headers: bool,
    listed: bool,
) -> None:
    """Check the action image IMAGE from outside, whatever language it is written in.

    The local Docker engine runs it as the generic Task does.

    Exit code: 0 it conforms, 1 a check failed, 2 the image or a scenario cannot be used, 3 no Docker engine answers.
    """
    if listed:
        if output == "junit":
            raise click.UsageError("-o junit is for results; name an IMAGE, or list the checks in another format.")
        checks: list[ConformanceCheck[Any]] = [*IMAGE_CHECKS, *ACTION_CHECKS]
        CHECKS.print(checks, output, headers=not no_headers)
        return
    if image is None:
        raise click.UsageError("name an IMAGE, such as ghcr.io/you/actions/yours@sha256:…, or --list the checks.")
    if file is None and Path("conformance.yaml").is_file():
        file = Path("conformance.yaml")
    scenarios = read_scenarios(file) if file else []
    examined = ActionImage(image)
    judgements: list[CheckResult] = []
    cwd = file.parent if file else None
    for judgement in examine(examined, scenarios, cwd=cwd, previous=_previous_spec(previous), only=only):
        judgements.append(judgement)
        if output == "table" and sys.stderr.isatty():
            echo(f"{judgement.check.name} {judgement.outcome}", err=True)
    _print_results(image, judgements, output, headers=not no_headers)
    if not report.conforms(judgements):
        sys.exit(1)


def _print_results(image: str, results: list[CheckResult], output: str, *, headers: bool) -> None:
    match output:
        case "json" | "yaml":
            print_document(report.report_document(image, results), output)
        case "junit":
            echo(report.format_junit(image, results), nl=False)
        case _:
            RESULTS.print(results, output, headers=headers)
    if output == "table":
        print_findings(results, Terminal(highlight=False))
        verdict = "conforms" if report.conforms(results) else "does not conform"
        echo(f"{image} {verdict}: {report.format_summary(results)}.")


def _previous_spec(previous: str | None) -> ImageSpec | None:
    if previous is None:
        return None
    path = Path(previous)
    content = path.read_bytes() if path.is_file() else ActionImage(previous).read(PATH)
    if content is None:
        raise InvalidInputs(f"--previous {previous}: the image has no {PATH}.")
    spec = parse_spec(content)
    if isinstance(spec, str):
        raise InvalidInputs(f"--previous {previous}: {spec}.")
    return spec
