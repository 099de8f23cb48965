"""Requests to AWS with boto3: credentials from the mounted Secret, no hidden retries, errors of the action contract.

boto3 is imported when a client is made, so that finding an action stays cheap.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kubernaut_sdk import ActionError, Context, Failed, NotFound, PreconditionFailed, Transient

__all__ = ["call_aws"]

_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "OptInRequired",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
}
"""Error codes by which AWS refuses the credentials or the request's signature."""
_SKEWED = {"RequestExpired", "RequestTimeTooSkewed"}
_NOT_EXECUTED = {
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "PriorRequestNotComplete",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "ResourceContention",
    "ScalingActivityInProgress",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
"""Error codes that mean that nothing was done, and that another attempt may succeed."""
_AMBIGUOUS = {
    "InternalError",
    "InternalFailure",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "Unavailable",
}
"""Error codes after which the request may or may not have been carried out."""


def call_aws(
    ctx: Context, what: str, service: str, region: str, operation: str, *, repeatable: bool = True, **params: Any
) -> dict[str, Any]:
    """Send one request to AWS and return the response.

    Args:
        ctx: The context with the credentials.
        what: The attempted task, for messages: "could not {what}".
        service: The AWS service, as boto3 spells it.
        region: The region.
        operation: The operation, as boto3 spells it.
        repeatable: True if doing it twice has the effect of doing it once. If False, an error that leaves open whether
            it was done is `Failed`, never `Transient`.
        params: The parameters of the operation.

    Raises:
        Transient, PreconditionFailed, NotFound, Failed: by the error of AWS.
    """
    with contract_errors(what, repeatable=repeatable):
        ask = getattr(make_client(ctx, service, region), operation)
        try:
            answer: dict[str, Any] = ask(**params)
        except KeyError as error:  # an HTML page parses, but lacks the elements of a response
            raise _foreign_answer(what, f"a page without {error}", repeatable=repeatable) from None
    if not answer.get("ResponseMetadata", {}).get(
        "RequestId"
    ):  # for operations whose response has no element that is read
        raise _foreign_answer(what, "a page with no request id", repeatable=repeatable)
    return answer


def make_client(ctx: Context, service: str, region: str) -> Any:
    """Return a boto3 client that sends each request once: the SDK retries, and its record shows each attempt.

    If the mounted Secret has the files `config` and `credentials` (in AWS's own formats), they are used; otherwise
    whatever boto3 finds, such as the ServiceAccount's web identity.

    Raises:
        PreconditionFailed: if the configuration cannot be used.
    """
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    for name, variable in (("config", "AWS_CONFIG_FILE"), ("credentials", "AWS_SHARED_CREDENTIALS_FILE")):
        if (path := ctx.secret_path(name)) is not None:
            os.environ[variable] = str(path)
    config = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 1})
    try:
        session = boto3.Session()
        if ctx.secret_path("credentials") is not None and (keys := session.get_credentials()) is not None:
            for value in filter(None, (keys.secret_key, keys.token)):
                ctx.mask(value)  # the Secret's file is masked line by line, and this is a part of a line
        return session.client(service, region_name=region, config=config)
    except (BotoCoreError, ValueError) as error:
        raise PreconditionFailed(f"AWS cannot be used: {error}", reason="Configuration") from None


@contextmanager
def contract_errors(what: str, *, repeatable: bool = True) -> Iterator[None]:
    """Turn an error of AWS within the block into one of the action contract.

    Args:
        what: The attempted task, for messages.
        repeatable: See `call_aws`.

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
        raise _foreign_answer(what, str(error), repeatable=repeatable) from None
    except ClientError as error:
        if not error.response.get("Error", {}).get("Code"):
            raise _foreign_answer(what, str(error), repeatable=repeatable) from None
        raise _error_of(error.response, what, repeatable=repeatable) from None
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


def _error_of(response: dict[str, Any], what: str, *, repeatable: bool) -> ActionError:
    code = str(response.get("Error", {}).get("Code", ""))
    message = f"AWS could not {what}: {code}: {response.get('Error', {}).get('Message', '')}"
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _NOT_EXECUTED:
        return Transient(message, reason=code)
    if code in _SKEWED:
        message = f"{message.rstrip('.')}; does the clock of this machine go right?"
    if code in _DENIED:
        return PreconditionFailed(message, reason=code)
    if (
        "NotFound" in code
        or code == "InvalidInstanceID.Malformed"
        or (code == "ValidationError" and "not found" in message)
    ):
        return NotFound(message, reason=code)
    if code in _AMBIGUOUS or status >= 500:
        return _unknown_outcome(message, repeatable=repeatable)
    return Failed(message, reason=code or "AwsFailed")


def _foreign_answer(what: str, answer: str, *, repeatable: bool) -> ActionError:
    """Return the error for a response that is not from AWS, such as a proxy's page."""
    excerpt = " ".join(answer.split())[:200]
    return _unknown_outcome(
        f"could not hear whether AWS could {what}: the answer is not AWS's: {excerpt}", repeatable=repeatable
    )


def _unknown_outcome(message: str, *, repeatable: bool) -> ActionError:
    if repeatable:
        return Transient(message, reason="Unknown")
    return Failed(f"{message}; it may have been done, and is not tried again.", reason="Unknown")
