"""The regions of AWS, by botocore's own list of partitions, which is read without importing botocore."""

import json
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

__all__ = ["Region"]


def _require_region(name: str) -> str:
    if not any(pattern.fullmatch(name) for pattern in _patterns()):
        raise ValueError("no partition of AWS has such a region; write one such as eu-central-1")
    return name


@cache
def _patterns() -> list[re.Pattern[str]]:
    """Return a pattern for each partition that botocore knows: aws, aws-cn, aws-eusc, aws-us-gov and more."""
    found = find_spec("botocore")
    if found is None or found.origin is None:
        raise ValueError("no region can be told apart: botocore is not installed")
    partitions = json.loads(Path(found.origin).with_name("data").joinpath("partitions.json").read_text())["partitions"]
    return [re.compile(partition["regionRegex"], re.ASCII) for partition in partitions]


Region = Annotated[
    str,
    Field(pattern=r"^[a-z]+(-[a-z]+)+-[0-9]+$", max_length=63, description="Such as eu-central-1."),
    AfterValidator(_require_region),
]
