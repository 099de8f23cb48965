"""Who may speak to a service without tokens: programs of this machine, and not a web page in somebody's browser.

A page can send requests to loopback, too. A browser then says so, in `Origin`; and where a name was made to point to
loopback (DNS rebinding), the name stands in `Host`.
"""

import ipaddress
from urllib.parse import urlsplit

from starlette.requests import Request

from kubernaut_datastorage.problems import Problem
from kubernaut_sdk.portable import shorten

__all__ = ["is_loopback", "require_local"]


def is_loopback(host: str) -> bool:
    """Whether a host name or address is of loopback."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def require_local(request: Request) -> None:
    """Refuses what a browser sends for another site.

    Raises:
        Problem: 403, with the header that gave it away.
    """
    for name, address in (("host", f"//{request.headers.get('host', '')}"), ("origin", request.headers.get("origin"))):
        if address is not None and not is_loopback(_host(address)):
            told = shorten(request.headers.get(name, ""))
            raise Problem(403, "Not local", f"{name} {told}: without tokens, only programs of this machine are served.")


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
