"""The connection to the API server, for kopf and for `Api`: a pod's ServiceAccount, elsewhere a kubeconfig."""

import asyncio
import time
from typing import Any

import aiohttp
import kopf

from kubernaut_controller.operator.boundedjson import BoundedResponse
from kubernaut_sdk.backoff import backoff
from kubernaut_sdk.incluster import ServiceAccount, api_server

__all__ = ["Logins", "connect", "session"]

_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_FORGOTTEN = 300.0
"""Seconds after which a repeated login is not counted as a retry."""
_ACCOUNT = ServiceAccount()


def connect(settings: kopf.OperatorSettings, **_: Any) -> kopf.ConnectionInfo:
    """Return the credentials that are valid now. Called again after they were refused, since tokens rotate.

    Raises:
        kopf.LoginError: if there are none.
    """
    server = api_server()
    if server and _ACCOUNT.mounted:
        return kopf.ConnectionInfo(server=server, ca_path=_ACCOUNT.ca_file, token=_ACCOUNT.token())
    found = kopf.login_with_kubeconfig(settings=settings)
    if found is None:
        raise kopf.LoginError("no ServiceAccount is mounted and no kubeconfig is found (KUBECONFIG, ~/.kube/config)")
    return found


def session(found: kopf.ConnectionInfo) -> aiohttp.ClientSession:
    """Return kopf's HTTP session, with responses of bounded depth."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=found.as_ssl_context()),
        headers={"user-agent": "kubernaut-controller", **found.as_http_headers()},
        proxy=found.proxy_url,
        trust_env=found.trust_env,
        response_class=BoundedResponse,
    )


class Logins:
    """The logins of kopf, which continue after the API server refused a good token for a moment.

    kopf never uses credentials again that were refused once, and stops when it has no others. But an API server that is
    starting refuses good tokens too. So the same credentials are offered again after a pause, with another priority.
    """

    def __init__(self) -> None:
        self._last: kopf.ConnectionInfo | None = None
        self._at = 0.0
        self._again = 0
        self._number = 0

    async def __call__(self, settings: kopf.OperatorSettings) -> kopf.AiohttpSession:
        """Return a session with the current credentials; after a growing pause where they are unchanged."""
        found = connect(settings)
        recent = time.monotonic() - self._at < _FORGOTTEN
        self._again = self._again + 1 if found == self._last and recent else 0
        if self._again:
            await asyncio.sleep(backoff(self._again, _PAUSE, _LONGEST_PAUSE))
        self._last, self._at = found, time.monotonic()
        self._number += 1
        return kopf.AiohttpSession(
            server=found.server,
            default_namespace=found.default_namespace,
            expiration=found.expiration,
            priority=self._number,
            aiohttp_session=session(found),
        )
