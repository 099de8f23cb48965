"""The operation of a request to AWS, from its protocol: query, JSON, RPC, and REST where the service is known here.

A request names its service in its signature. Services sign by another name than their permissions have, in a few cases.
"""

import re
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

__all__ = ["aws_permission"]

_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/[^/]+/(?P<service>[^/]+)/aws4_request")
_PREFIXES = {"monitoring": "cloudwatch"}
"""The name that a service signs by → the prefix of its permissions, where they differ."""
_RPC = re.compile(r"/service/\w+/operation/(\w+)$")
_REST: dict[str, list[tuple[str, str, str]]] = {
    "eks": [
        ("GET", "/clusters/[^/]+/node-groups/[^/]+", "DescribeNodegroup"),
        ("GET", "/clusters/[^/]+/updates/[^/]+", "DescribeUpdate"),
        ("POST", "/clusters/[^/]+/node-groups/[^/]+/update-config", "UpdateNodegroupConfig"),
    ],
    "lambda": [
        ("DELETE", "/[0-9-]+/functions/[^/]+/concurrency", "DeleteFunctionConcurrency"),
        ("GET", "/[0-9-]+/account-settings", "GetAccountSettings"),
        ("GET", "/[0-9-]+/functions/[^/]+/aliases/[^/]+", "GetAlias"),
        ("GET", "/[0-9-]+/functions/[^/]+/concurrency", "GetFunctionConcurrency"),
        ("GET", "/[0-9-]+/functions/[^/]+/configuration", "GetFunctionConfiguration"),
        ("PUT", "/[0-9-]+/functions/[^/]+/aliases/[^/]+", "UpdateAlias"),
        ("PUT", "/[0-9-]+/functions/[^/]+/concurrency", "PutFunctionConcurrency"),
    ],
    "route53": [
        ("GET", "/[0-9-]+/change/[^/]+", "GetChange"),
        ("GET", "/[0-9-]+/healthcheck/[^/]+/status", "GetHealthCheckStatus"),
        ("GET", "/[0-9-]+/hostedzone/[^/]+/rrset", "ListResourceRecordSets"),
        ("POST", "/[0-9-]+/hostedzone/[^/]+/rrset", "ChangeResourceRecordSets"),
    ],
}
"""Service → method, path and operation of its REST protocol; of others only the method is known."""


def aws_permission(method: str, path: str, headers: Mapping[str, str], body: bytes) -> str | None:
    """Return the permission that a request takes, such as `ec2:RebootInstances`, or None if it is not known.

    Args:
        method: The HTTP method.
        path: The path with its query.
        headers: The request's headers, their names in lower case.
        body: The request's body.
    """
    if (scope := _SCOPE.search(headers.get("authorization", ""))) is None:
        return None
    service = scope["service"]
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    if not operation and (rpc := _RPC.search(urlsplit(path).path)) is not None:
        operation = rpc[1]
    if not operation:
        operation = _rest(service, method, urlsplit(path).path)
    if not operation:
        operation = parse_qs(body.decode("utf-8", "replace")).get("Action", [""])[0]
    return f"{_PREFIXES.get(service, service)}:{operation}" if operation else None


def _rest(service: str, method: str, path: str) -> str:
    rows = _REST.get(service, ())
    found = (name for verb, form, name in rows if verb == method and re.fullmatch(f"{form}/?", path))
    return next(found, "")
