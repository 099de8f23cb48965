"""boto3 as this image's actions use it: the mounted Secret's credentials, no hidden retries, errors by meaning.

boto3 is imported when a client is made, so that looking an action up stays cheap.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kubernaut_sdk import ActionError, Context, Failed, NotFound, PreconditionFailed, Transient

__all__ = ["call"]

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
"""Codes with which AWS says that it does not take these credentials, or the request's signature."""
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
"""Codes with which AWS says that it did nothing, and that trying again may help."""
_AMBIGUOUS = {
    "InternalError",
    "InternalFailure",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "Unavailable",
}
"""Codes after which the request may or may not have been carried out."""


def call(
    ctx: Context, what: str, service: str, region: str, operation: str, *, repeatable: bool = True, **params: Any
) -> dict[str, Any]:
    """Return what AWS answers to one request.

    Args:
        ctx: Holds the credentials.
        what: What is tried, for the message.
        service: Of AWS, in boto3's spelling, as the operation.
        region: Where.
        operation: What is asked for.
        repeatable: Whether doing it twice is doing it once. Where it is not, an error that leaves open whether it was
            done is `Failed`, never `Transient`.
        params: Of the operation.

    Raises:
        Transient, PreconditionFailed, NotFound, Failed: by what AWS said.
    """
    with told(what, repeatable=repeatable):
        ask = getattr(client(ctx, service, region), operation)
        try:
            answer: dict[str, Any] = ask(**params)
        except KeyError as error:  # well-formed HTML has no element of the answer
            raise _not_aws(what, f"a page without {error}", repeatable=repeatable) from None
    if not answer.get("ResponseMetadata", {}).get("RequestId"):  # or none is asked for
        raise _not_aws(what, "a page with no request id", repeatable=repeatable)
    return answer


def client(ctx: Context, service: str, region: str) -> Any:
    """A boto3 client that tries once: the SDK retries, and its record says so.

    Where the mounted Secret has files `config` and `credentials` (AWS's own formats), they are used; otherwise
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
def told(what: str, *, repeatable: bool = True) -> Iterator[None]:
    """Within: an error of AWS becomes one of the contract's.

    Args:
        what: What was tried, for the message.
        repeatable: As of `call`.

    Raises:
        Transient, PreconditionFailed, NotFound, Failed: by what AWS said.
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
        raise _not_aws(what, str(error), repeatable=repeatable) from None
    except ClientError as error:
        if not error.response.get("Error", {}).get("Code"):
            raise _not_aws(what, str(error), repeatable=repeatable) from None
        raise _meant(error.response, what, repeatable=repeatable) from None
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
            raise interrupt from None  # a cancel or the deadline, which botocore takes for a broken connection
        raise _unknown(f"could not hear whether AWS could {what}: {error}", repeatable=repeatable) from None
    except BotoCoreError as error:
        raise _unknown(f"could not hear whether AWS could {what}: {error}", repeatable=repeatable) from None


def _meant(response: dict[str, Any], what: str, *, repeatable: bool) -> ActionError:
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
        return _unknown(message, repeatable=repeatable)
    return Failed(message, reason=code or "AwsFailed")


def _not_aws(what: str, answer: str, *, repeatable: bool) -> ActionError:
    """Return the error that an answer of somebody else is, such as a proxy's page."""
    said = " ".join(answer.split())[:200]
    return _unknown(f"could not hear whether AWS could {what}: the answer is not AWS's: {said}", repeatable=repeatable)


def _unknown(message: str, *, repeatable: bool) -> ActionError:
    if repeatable:
        return Transient(message, reason="Unknown")
    return Failed(f"{message}; it may have been done, and is not tried again.", reason="Unknown")
