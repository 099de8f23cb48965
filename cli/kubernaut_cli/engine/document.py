"""The reading of Tekton documents: models that refuse what the local engine does not cover, and the faults' sentences.

A model names every field that the engine acts on, or that has no meaning on one machine. Any other field is refused:
to ignore it would run something else than a cluster runs.
"""

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from kubernaut_controller import Fault, InvalidWorkflow
from kubernaut_sdk.portable import shorten

__all__ = ["TektonDocument", "read_document"]

Model = TypeVar("Model", bound=BaseModel)


class TektonDocument(BaseModel):
    """A part of a Tekton document; unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)


def read_document(model: type[Model], document: dict[str, Any]) -> Model:
    """Return the document as an instance of the model.

    Raises:
        InvalidWorkflow: for each field that is wrong or not covered, with its path.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InvalidWorkflow(
            [
                Fault(".".join(str(part) for part in item["loc"]), _sentence(item))
                for item in error.errors(include_url=False)
            ]
        ) from None


def _sentence(item: Any) -> str:
    value = shorten(repr(item["input"]))
    match item["type"]:
        case "extra_forbidden":
            return "the local engine does not cover this of Tekton; run it on a cluster"
        case "string_pattern_mismatch":
            return f"{value} is no Kubernetes name; write small letters, digits and '-'"
    return f"{item['msg'][0].lower()}{item['msg'][1:]}; it is {value}"
