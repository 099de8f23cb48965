"""JSON over HTTP: TLS verified, no redirect followed, credentials from the step's Secret."""

import base64
import json
import ssl
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

from pydantic import AfterValidator, Field

from kubernaut_sdk import Context, Failed, NotFound, PreconditionFailed, Transient
from kubernaut_sdk.addresses import without_userinfo

__all__ = ["ServerUrl", "request_json"]

LARGEST = 8 * 1024 * 1024
_PATIENCE = 15.0
_BUSY = {408, 425, 429, 500, 502, 503, 504}


def _checked(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("write the address of a server, such as https://prometheus.example.com")
    if parts.username is not None or parts.password is not None:
        raise ValueError("an address holds no credentials; mount them as the step's Secret")
    if parts.query or parts.fragment:
        raise ValueError("an address has no query here")
    return text.rstrip("/")


ServerUrl = Annotated[
    str,
    Field(max_length=1024, description="The server's address; with a path, if it is served below one."),
    AfterValidator(_checked),
]


def request_json(
    ctx: Context,
    method: str,
    url: str,
    *,
    form: dict[str, str] | None = None,
    body: Any = None,
    server: str,
) -> tuple[int, Any]:
    """Send a request, and return the status and the JSON of the answer.

    Credentials are the files `token`, or `username` and `password`, of the step's Secret; `ca.crt` is the certificate
    authority instead of the system's.

    Args:
        ctx: The context.
        method: The HTTP method.
        url: The address.
        form: Fields of a form, as the body.
        body: JSON, as the body.
        server: The kind of server, for messages: `Prometheus`.

    Returns:
        A status of 2xx, 400, 404 or 422, and its JSON.

    Raises:
        Transient: if the server is busy, or out of reach.
        PreconditionFailed: if it refuses the credentials, redirects, or has no trusted certificate.
        Failed: if the answer is no JSON.
    """
    parts = urlsplit(url)
    headers = {"accept": "application/json", **_credentials(ctx)}
    data = None
    if form is not None:
        data, headers["content-type"] = urlencode(form).encode(), "application/x-www-form-urlencoded"
    elif body is not None:
        data, headers["content-type"] = json.dumps(body).encode(), "application/json"
    shown = without_userinfo(f"{parts.scheme}://{parts.netloc}{parts.path}")
    connection = _connect(ctx, url)
    try:
        path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        connection.request(method, path, body=data, headers=headers)
        answer = connection.getresponse()
        status, content = answer.status, answer.read(LARGEST + 1)
    except ssl.SSLCertVerificationError as error:
        raise PreconditionFailed(
            f"the certificate of {server} at {shown} is not trusted: {error.verify_message}; put its certificate "
            f"authority into the step's Secret as ca.crt.",
            reason="Untrusted",
        ) from None
    except (OSError, HTTPException) as error:
        raise Transient(f"{server} at {shown} is out of reach: {error}.", reason="Unreachable") from None
    finally:
        connection.close()
    return status, _judged(status, content, server, shown)


def _judged(status: int, content: bytes, server: str, shown: str) -> Any:
    if status in {401, 403}:
        raise PreconditionFailed(
            f"{server} at {shown} answers {status}; check the step's Secret (token, or username and password).",
            reason="Unauthorized",
        )
    if 300 <= status < 400:
        raise PreconditionFailed(
            f"{server} at {shown} answers {status}, a redirect, which is not followed; give its own address.",
            reason="Redirected",
        )
    text = content.decode("utf-8", errors="replace")
    if status in _BUSY:
        raise Transient(f"{server} at {shown} answers {status}: {text[:200]}", reason="Unavailable")
    if len(content) > LARGEST:
        raise Failed(f"the answer of {server} at {shown} is larger than {LARGEST} bytes; ask for less.")
    try:
        document = json.loads(text) if text.strip() else None
    except ValueError:
        document = None
        if status < 300:
            raise Failed(f"{server} at {shown} did not answer with JSON but with {text[:200]!r}.") from None
    if status == 404 and document is None:
        raise NotFound(f"{server} has nothing at {shown}; check the address.")
    if status >= 400 and status not in {400, 404, 422}:
        raise Failed(f"{server} at {shown} answers {status}: {text[:200]}")
    return document if document is not None else {"error": text[:300]}


def _connect(ctx: Context, url: str) -> HTTPConnection:
    parts = urlsplit(url)
    assert parts.hostname is not None
    patience = max(1.0, min(_PATIENCE, ctx.remaining()))
    if parts.scheme == "http":
        return HTTPConnection(parts.hostname, parts.port, timeout=patience)
    authority = ctx.secret_path("ca.crt")
    context = ssl.create_default_context(cafile=str(authority) if authority else None)
    return HTTPSConnection(parts.hostname, parts.port, timeout=patience, context=context)


def _credentials(ctx: Context) -> dict[str, str]:
    if ctx.secret_path("token") is not None:
        return {"authorization": f"Bearer {ctx.secret('token')}"}
    if ctx.secret_path("username") is not None:
        pair = base64.b64encode(f"{ctx.secret('username')}:{ctx.secret('password')}".encode()).decode()
        ctx.mask(pair)
        return {"authorization": f"Basic {pair}"}
    return {}
