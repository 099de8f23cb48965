"""Credentials of a role that STS lets the session assume, renewed by botocore as long as the step lasts."""

import os
from collections.abc import Callable
from typing import Any

from kubernaut_aws.common.errors import contract_errors
from kubernaut_aws.common.inputs import AwsInputs
from kubernaut_sdk import Context, PreconditionFailed

__all__ = ["assume_role"]


def assume_role(ctx: Context, session: Any, inputs: AwsInputs) -> None:
    """Give a boto3 session the credentials of the inputs' role.

    A ServiceAccount's web identity is exchanged for the role at once where the identity names that role or none;
    otherwise the role is assumed with the credentials that the session has.

    Raises:
        PreconditionFailed: if STS refuses.
        Transient: if STS is out of reach.
    """
    from botocore import credentials  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415
    from botocore.utils import FileWebIdentityTokenLoader  # noqa: PLC0415

    role, core = inputs.role_arn, session._session  # noqa: SLF001 – boto3 has no public way to botocore's session
    config = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 1})

    def make_client(service: str, **options: Any) -> Any:
        options["config"] = options["config"].merge(config) if options.get("config") else config
        return core.create_client(service, **{**options, "region_name": inputs.region})

    about = {"RoleSessionName": str(ctx.record_id), "DurationSeconds": 3600}
    token = os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE")
    if token and os.environ.get("AWS_ROLE_ARN", role) == role and inputs.external_id is None:
        fetcher = credentials.AssumeRoleWithWebIdentityCredentialFetcher(
            make_client, FileWebIdentityTokenLoader(token), role, extra_args=about
        )
    else:
        if inputs.external_id is not None:
            about["ExternalId"] = inputs.external_id
        with contract_errors(f"assume the role {role}", "sts"):
            source = core.get_credentials()
        if source is None:
            raise PreconditionFailed(
                f"could not assume the role {role}: there are no credentials to do it with; mount a Secret with the "
                f"file credentials, or give the ServiceAccount a web identity.",
                reason="NoCredentials",
            )
        fetcher = credentials.AssumeRoleCredentialFetcher(make_client, source, role, extra_args=about)
    assumed = credentials.DeferredRefreshableCredentials(_masking(ctx, fetcher.fetch_credentials), "assume-role")
    with contract_errors(f"assume the role {role}", "sts"):
        assumed.get_frozen_credentials()
    core._credentials = assumed  # noqa: SLF001 – as botocore's own providers do


def _masking(ctx: Context, fetch: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    def fetch_masked() -> dict[str, Any]:
        found = fetch()
        for name in ("secret_key", "token"):
            if found.get(name):
                ctx.mask(found[name])
        return found

    return fetch_masked
