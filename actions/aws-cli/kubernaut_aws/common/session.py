"""The account and region that an action works in: its credentials, its clients, one request at a time.

Credentials are those of the mounted Secret (files `config` and `credentials`, in AWS's own formats), or what boto3
finds, such as the ServiceAccount's web identity; with `role_arn`, those of that role. The session is named by the
record's id, so that AWS's CloudTrail tells which record a request belongs to. With `account`, STS is asked for the
account before anything else.

boto3 is imported when a session is made, so that finding an action stays cheap. It sends each request once: the SDK
retries, and its record shows each attempt.
"""

import os
from collections.abc import Iterator
from typing import Any

from kubernaut_aws.common.errors import contract_errors, foreign_answer
from kubernaut_aws.common.inputs import AwsInputs
from kubernaut_aws.common.memory import PerExecution
from kubernaut_sdk import Context, PreconditionFailed

__all__ = ["Aws", "connect"]

_AMBIENT = (
    "AWS_ACCESS_KEY_ID",
    "AWS_ROLE_ARN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)
"""Variables with credentials of the pod."""
_SESSIONS: PerExecution["Aws"] = PerExecution()


class Aws:
    """One account and region, as one execution of an action reaches it. Made by `connect`.

    Attributes:
        region: The region.
        log: The execution's log.
    """

    def __init__(self, ctx: Context, inputs: AwsInputs) -> None:
        self.region, self.log = inputs.region, ctx.log
        self._ctx, self._inputs = ctx, inputs
        self._session: Any = None
        self._clients: dict[str, Any] = {}

    def call(
        self, what: str, service: str, operation: str, /, *, repeatable: bool = True, **params: Any
    ) -> dict[str, Any]:
        """Send one request and return the response.

        Args:
            what: The attempted task, for messages: "could not {what}".
            service: The AWS service, as boto3 spells it.
            operation: The operation, as boto3 spells it.
            repeatable: True if doing it twice has the effect of doing it once. If False, an error that leaves open
                whether it was done is `Failed`, never `Transient`.
            params: The parameters of the operation.

        Raises:
            Transient, PreconditionFailed, NotFound, Failed: by the error of AWS.
        """
        client = self._client(service)
        with contract_errors(what, service, repeatable=repeatable):
            try:
                answer: dict[str, Any] = getattr(client, operation)(**params)
            except KeyError as error:  # an HTML page parses, but lacks the elements of a response
                raise foreign_answer(what, f"a page without {error}", repeatable=repeatable) from None
        _require_request_id(answer, what, repeatable=repeatable)
        return answer

    def items(self, what: str, service: str, operation: str, path: str, /, **params: Any) -> list[dict[str, Any]]:
        """Return the items of all pages of a list.

        Args:
            what: See `call`.
            service: See `call`.
            operation: An operation that lists or describes.
            path: The element of the response that holds the items; of nested ones, `Reservations.Instances`.
            params: The parameters of the operation.

        Raises:
            Transient, PreconditionFailed, NotFound, Failed: by the error of AWS.
        """
        client = self._client(service)
        found: list[dict[str, Any]] = []
        with contract_errors(what, service):
            try:
                for page in _pages(client, operation, params):
                    _require_request_id(page, what, repeatable=True)
                    level = [page]
                    for name in path.split("."):
                        level = [item for above in level for item in above.get(name) or ()]
                    found += level
            except KeyError as error:
                raise foreign_answer(what, f"a page without {error}", repeatable=True) from None
        return found

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            if self._session is None:
                self._session = open_session(self._ctx, self._inputs)
            self._clients[service] = make_client(self._session, service, self.region)
        return self._clients[service]


def connect(ctx: Context, inputs: AwsInputs) -> Aws:
    """Return the account and region that the inputs name, the same one for the whole execution.

    Raises:
        PreconditionFailed: if the role cannot be assumed, or the account is not the one that is meant.
        Transient: if AWS is out of reach.
    """
    if (known := _SESSIONS.get(ctx)) is not None:
        return known
    aws = Aws(ctx, inputs)
    if inputs.account is not None:
        _require_account(aws, inputs.account)
    return _SESSIONS.set(ctx, aws)


def _require_account(aws: Aws, account: str) -> None:
    found = aws.call("ask STS for the account", "sts", "get_caller_identity")
    if found["Account"] != account:
        raise PreconditionFailed(
            f"the credentials are of account {found['Account']} ({found['Arn']}), not of {account}; nothing was read "
            f"or changed.",
            reason="WrongAccount",
        )


def _pages(client: Any, operation: str, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the pages of a list. botocore has no paginator for some operations, whose NextToken is the same."""
    if client.can_paginate(operation):
        yield from client.get_paginator(operation).paginate(**params)
        return
    more: dict[str, Any] = {}
    while True:
        page = getattr(client, operation)(**params, **more)
        yield page
        if not (token := page.get("NextToken")):
            return
        more = {"NextToken": token}


def _require_request_id(answer: dict[str, Any], what: str, *, repeatable: bool) -> None:
    """Raise unless the response is AWS's; for operations whose response has no element that is read."""
    about = answer.get("ResponseMetadata", {})
    if not about.get("RequestId") and not any(name.endswith("request-id") for name in about.get("HTTPHeaders", ())):
        raise foreign_answer(what, "a page with no request id", repeatable=repeatable)


def open_session(ctx: Context, inputs: AwsInputs) -> Any:
    """Return boto3's session with the credentials of the inputs.

    Raises:
        PreconditionFailed: if the configuration cannot be used, or the role not be assumed.
    """
    import boto3  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    for name, variable in (("config", "AWS_CONFIG_FILE"), ("credentials", "AWS_SHARED_CREDENTIALS_FILE")):
        if (path := ctx.secret_path(name)) is not None:
            os.environ[variable] = str(path)
    if ctx.secret_path("credentials") is not None:
        for name in _AMBIENT:  # which boto3 would take before the Secret's file
            os.environ.pop(name, None)
    os.environ.setdefault("AWS_ROLE_SESSION_NAME", str(ctx.record_id))  # of a ServiceAccount's web identity
    try:
        session = boto3.Session()
        if ctx.secret_path("credentials") is not None and (keys := session.get_credentials()) is not None:
            for value in filter(None, (keys.secret_key, keys.token)):
                ctx.mask(value)  # the Secret's file is masked line by line, and this is a part of a line
    except (BotoCoreError, ValueError) as error:
        raise _unusable(error) from None
    if inputs.role_arn is not None:
        from kubernaut_aws.common.roles import assume_role  # noqa: PLC0415 – only where a role is given

        assume_role(ctx, session, inputs)
    return session


def make_client(session: Any, service: str, region: str) -> Any:
    """Return a client of a session.

    Raises:
        PreconditionFailed: if the configuration cannot be used.
    """
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    config = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 1})
    try:
        return session.client(service, region_name=region, config=config)
    except (BotoCoreError, ValueError) as error:
        raise _unusable(error) from None


def _unusable(error: Exception) -> PreconditionFailed:
    return PreconditionFailed(f"AWS cannot be used: {error}", reason="Configuration")
