"""Errors of boto3 become errors of the action contract.

boto3 is imported by what needs it, so that finding an action stays cheap.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kubernaut_aws.common.meanings import AMBIGUOUS, meaning_of
from kubernaut_sdk import ActionError, Failed, PreconditionFailed, Transient

__all__ = ["FOREIGN", "contract_errors", "foreign_answer"]

FOREIGN = "ForeignAnswer"
"""The reason of an error for a response that is not from AWS."""


@contextmanager
def contract_errors(what: str, service: str, *, repeatable: bool = True) -> Iterator[None]:
    """Turn an error of AWS within the block into one of the action contract.

    Args:
        what: The attempted task, for messages: "could not {what}".
        service: The AWS service, as boto3 spells it; some codes mean different things to different services.
        repeatable: True if doing it twice has the effect of doing it once. If False, an error that leaves open whether
            it was done is `Failed`, never `Transient`.

    Raises:
        Transient, PreconditionFailed, NotFound, Failed: by the error of AWS.
    """
    from botocore.exceptions import (  # noqa: PLC0415
        BotoCoreError,
        ClientError,
        ConnectTimeoutError,
        CredentialRetrievalError,
        EndpointConnectionError,
        HTTPClientError,
        NoAuthTokenError,
        NoCredentialsError,
        PartialCredentialsError,
        ProxyConnectionError,
        SSOError,
        TokenRetrievalError,
    )
    from botocore.parsers import ResponseParserError  # noqa: PLC0415

    try:
        yield
    except ResponseParserError as error:
        raise foreign_answer(what, str(error), repeatable=repeatable) from None
    except ClientError as error:
        if not error.response.get("Error", {}).get("Code"):
            raise foreign_answer(what, str(error), repeatable=repeatable) from None
        raise _error_of(error.response, what, service, repeatable=repeatable) from None
    except (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError) as error:
        raise Transient(f"could not {what}: {error}", reason="Unreachable") from None
    except (
        CredentialRetrievalError,
        NoAuthTokenError,
        NoCredentialsError,
        PartialCredentialsError,
        SSOError,
        TokenRetrievalError,
    ) as error:
        raise PreconditionFailed(f"could not {what}: {error}", reason="NoCredentials") from None
    except HTTPClientError as error:
        if isinstance(interrupt := error.kwargs.get("error"), ActionError):
            raise interrupt from None  # a cancel or the deadline; botocore takes it for a broken connection
        raise _unknown_outcome(f"could not hear whether AWS could {what}: {error}", repeatable=repeatable) from None
    except BotoCoreError as error:
        raise _unknown_outcome(f"could not hear whether AWS could {what}: {error}", repeatable=repeatable) from None


def _error_of(response: dict[str, Any], what: str, service: str, *, repeatable: bool) -> ActionError:
    code = str(response.get("Error", {}).get("Code", ""))
    message = f"AWS could not {what}: {code}: {response.get('Error', {}).get('Message', '')}"
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if (meaning := meaning_of(service, code, message)) is not None:
        hinted = f"{message.rstrip('.')}; {meaning.hint}" if meaning.hint else message
        return meaning.error(hinted, reason=code)
    if code in AMBIGUOUS or status >= 500:
        return _unknown_outcome(message, repeatable=repeatable)
    return Failed(message, reason=code or "AwsFailed")


def foreign_answer(what: str, answer: str, *, repeatable: bool) -> ActionError:
    """Return the error for a response that is not from AWS, such as a proxy's page."""
    excerpt = " ".join(answer.split())[:200]
    message = f"could not hear whether AWS could {what}: the answer is not AWS's: {excerpt}"
    return _unknown_outcome(message, repeatable=repeatable, reason=FOREIGN)


def _unknown_outcome(message: str, *, repeatable: bool, reason: str = "Unknown") -> ActionError:
    if repeatable:
        return Transient(message, reason=reason)
    return Failed(f"{message}; it may have been done, and is not tried again.", reason=reason)
