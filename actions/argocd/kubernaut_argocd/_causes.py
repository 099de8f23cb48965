"""Why git failed: the cause, from what git, ssh and curl say, with what to do about it.

Called by `kubernaut_argocd._git`. The words are those of git 2.30 to 2.5x, OpenSSH 8 to 10, and of curl with GnuTLS or
OpenSSL, in English (`LC_ALL`).
"""

import re
from dataclasses import dataclass

from kubernaut_argocd._credentials import Access
from kubernaut_sdk import ActionError, Failed, NotFound, PreconditionFailed, Transient

__all__ = ["NO_SUCH_BRANCH", "PUSH_REJECTED", "error_of"]

PUSH_REJECTED = "PushRejected"
"""The reason of a push that lost a race."""
NO_SUCH_BRANCH = "NoSuchBranch"


@dataclass(frozen=True)
class _Cause:
    """A sign in what was said, and its meaning.

    Attributes:
        sign: A pattern in a line. Its groups fill the sentence.
        kind: The error.
        reason: A word for machines.
        sentence: The cause, and what to do; `{…}` are the sign's groups.
        without: What to say instead where the Secret lacks a part: its name in `Access`, and the sentence.
        remote: Whether the sign counts in what the server's side says, too (`remote: …`).
    """

    sign: str
    kind: type[ActionError]
    reason: str
    sentence: str
    without: tuple[str, str] | None = None
    remote: bool = False


_COMPARE = "compare the key with the one that the server's owner publishes"
_CAUSES = (
    # of a push that arrived
    _Cause(
        r"\[rejected\]|\[remote rejected\].*\((?:cannot lock ref|failed to update ref|incorrect old value)"
        r"|cannot lock ref|fetch first|non-fast-forward",
        Transient,
        PUSH_REJECTED,
        "somebody else's push was first",
    ),
    _Cause(
        r"marked as read only|not allowed to push|not have write access|[Ww]rite access to .*not granted|archived",
        PreconditionFailed,
        "AccessDenied",
        "the step's Secret opens the repository for reading only; it must be allowed to push",
        remote=True,
    ),
    _Cause(
        r"hook declined|protected branch|GH006|GH013|refusing to update checked out branch|hidden ref"
        r"|shallow update not allowed|\[remote rejected\]",
        Failed,
        "PushRefused",
        "the server refuses the push",
        remote=True,
    ),
    # of ssh
    _Cause(
        r"REVOKED HOST KEY|host key .* revoked",
        PreconditionFailed,
        "HostKeyRevoked",
        f"known_hosts says that the server's host key is revoked; {_COMPARE}",
    ),
    _Cause(
        r"HOST IDENTIFICATION HAS CHANGED|Host key for \S+ has changed|differs from the key for the IP address",
        PreconditionFailed,
        "HostKeyChanged",
        "the server's host key is not the one in the Secret's known_hosts: the server has a new one, or somebody "
        f"stands in between; {_COMPARE} before known_hosts is changed",
    ),
    _Cause(
        r"No (\S+) host key is known for (\S+)",
        PreconditionFailed,
        "HostKeyUnknown",
        "the Secret's known_hosts has no {0} host key of {1}, so it is not known whether that is the right server; "
        f"add its line, as ssh-keyscan prints it, and {_COMPARE}",
        without=(
            "known_hosts",
            (
                "the step's Secret has no known_hosts, so it is not known whether {1} is the right server; add one "
                f"with its {{0}} line, as ssh-keyscan prints it, and {_COMPARE}"
            ),
        ),
    ),
    _Cause(
        r"Host key verification failed",
        PreconditionFailed,
        "HostKeyUnknown",
        f"the server's host key is not one of the Secret's known_hosts; {_COMPARE}, and add it",
    ),
    _Cause(
        r"no matching ([a-z ]+) found|no mutual signature",
        PreconditionFailed,
        "NoCommonAlgorithm",
        "the server and this image's ssh have no algorithm in common; one of them is too old",
    ),
    _Cause(
        r"incorrect passphrase",
        PreconditionFailed,
        "KeyLocked",
        "the Secret's ssh-privatekey is locked with a passphrase; put one without into the Secret",
    ),
    _Cause(
        r"Load key .*: (.*)",
        PreconditionFailed,
        "KeyUnreadable",
        "the Secret's ssh-privatekey is no private key that ssh can read ({0}); it must be the whole file, with its "
        "BEGIN and END lines, and not the .pub",
    ),
    _Cause(
        r"Too many authentication failures",
        PreconditionFailed,
        "KeyRefused",
        "the server gave up after too many keys; put the one that it knows into the step's Secret",
    ),
    _Cause(
        r"Permission denied \(|Permission denied, please",
        PreconditionFailed,
        "KeyRefused",
        "the server does not take the Secret's ssh-privatekey for this user; let it know the key's public half, with "
        "the right to push, and check the user in the address (most servers want git@)",
        without=("key", "the server wants an ssh key, and the step's Secret has no ssh-privatekey"),
    ),
    _Cause(r"cannot run ssh|ssh: not found", PreconditionFailed, "ToolMissing", "the image has no ssh"),
    # of TLS
    _Cause(
        r"certificate has expired|expiration date has passed",
        PreconditionFailed,
        "CertificateExpired",
        "the server's certificate has expired; its owner must renew it (or this machine's clock is wrong)",
    ),
    _Cause(
        r"not yet (?:valid|activated)|not activated yet",
        PreconditionFailed,
        "CertificateNotYetValid",
        "the server's certificate is not valid yet; look at its dates and at this machine's clock",
    ),
    _Cause(
        r"does(?:n't| not) match (?:target )?host ?name|no alternative certificate subject name|host name.*mismatch",
        PreconditionFailed,
        "CertificateOfAnother",
        "the server's certificate is for another host; use the name in the address that it was made for",
    ),
    _Cause(
        r"certificate problem|certificate verification failed|verification failed|issuer is unknown|not trusted",
        PreconditionFailed,
        "CertificateUnknown",
        "the server's certificate is not signed by the authority in the Secret's ca.crt, or has expired",
        without=(
            "authority",
            (
                "the server's certificate is signed by nobody this image trusts, or has expired; put its authority's "
                "certificate into the step's Secret, as ca.crt"
            ),
        ),
    ),
    _Cause(
        r"unexpected TLS packet|wrong version number|packet with unexpected length|(?:gnutls_handshake|SSL_connect|SSL "
        r"routines|SSL_ERROR)",
        PreconditionFailed,
        "TlsFailed",
        "there is no TLS connection with the server; perhaps it speaks plain http at this port, or another version",
    ),
    # of proxies and redirects
    _Cause(
        r"resolve proxy:? ?(\S*)",
        PreconditionFailed,
        "ProxyUnknown",
        "the proxy {0} in the environment (https_proxy or http_proxy) has a name that is not known",
    ),
    _Cause(
        r"(?:response|HTTP code|returned error:) 407",
        PreconditionFailed,
        "ProxyDenied",
        "the proxy in the environment (https_proxy or http_proxy) wants a user name and password",
    ),
    _Cause(
        r"CONNECT tunnel failed, response (\d+)|HTTP code (\d+) from proxy|Proxy CONNECT aborted",
        PreconditionFailed,
        "ProxyDenied",
        "the proxy in the environment (https_proxy or http_proxy) does not let git through to the server; allow it, or "
        "name the server in no_proxy",
    ),
    _Cause(
        r"returned error: 30[1-8]|update url base from redirection",
        PreconditionFailed,
        "Redirected",
        "the server points to another address, and no redirect is followed, since the Secret's password would go "
        "along; write the address that it points to (the repository was moved or renamed, or it lacks https or .git)",
    ),
    # of http
    _Cause(
        r"Authentication failed|returned error: 401|could not read (?:Username|Password)",
        PreconditionFailed,
        "AccessDenied",
        "the server does not take the Secret's username and password; many want a token for a password",
        without=(
            "password",
            "the server wants a user name and password; put them into the step's Secret, as username and password",
        ),
    ),
    _Cause(
        r"returned error: 403",
        PreconditionFailed,
        "AccessDenied",
        "the server does not allow it; check what the step's Secret may do there",
        without=("password", "the server does not allow it to everybody; name a Secret, by the step's secretName"),
    ),
    _Cause(
        r"returned error: 429",
        Transient,
        "Unreachable",
        "the server asks for fewer requests",
    ),
    _Cause(
        r"returned error: (5\d\d)|RPC failed; HTTP (5\d\d)",
        Transient,
        "Unreachable",
        "the server, or a proxy before it, has trouble of its own",
    ),
    _Cause(
        r"is this a git repository|invalid server response|protocol error: bad line length",
        PreconditionFailed,
        "NotGit",
        "what answers at this address is no git server, but perhaps a page to log in",
    ),
    # of the way there
    _Cause(
        r"Could not resolve host(?:name)?:? ?(\S*)",
        Transient,
        "Unreachable",
        "the name of the server is not known, for the moment or at all; check it in the address, and the DNS",
    ),
    _Cause(
        r"Connection refused|unable to connect|Failed to connect|Couldn't connect",
        Transient,
        "Unreachable",
        "the server does not take connections; check the port in the address, and network policies",
    ),
    _Cause(
        r"Connection timed out|Network is unreachable|No route to host|Operation too slow|timed out|Timeout",
        Transient,
        "Unreachable",
        "the server does not answer in time",
    ),
    _Cause(
        r"Connection closed|Connection reset|Empty reply from server|early EOF|hung up unexpectedly"
        r"|unexpected disconnect|transfer closed|RPC failed|Broken pipe",
        Transient,
        "Unreachable",
        "the server ended the connection in the middle",
    ),
    # of the repository
    _Cause(r"couldn't find remote ref", NotFound, NO_SUCH_BRANCH, "the repository has no such branch"),
    _Cause(
        r"dubious ownership",
        PreconditionFailed,
        "AccessDenied",
        "the repository's folder belongs to another user than the one that the server's side of git runs as",
    ),
    _Cause(
        r"not appear to be a git repository|does not exist|not found|not exported|returned error: 404",
        NotFound,
        "NotFound",
        "there is no such repository, or the step's Secret does not open it; check the address, and the Secret",
    ),
    _Cause(
        r"No space left|Disk quota exceeded",
        PreconditionFailed,
        "NoSpace",
        "there is no space left for it",
        remote=True,
    ),
    _Cause(
        r"Permission denied|insufficient permission|Read-only file system",
        PreconditionFailed,
        "AccessDenied",
        "the repository's files may not be read or written by this user",
        remote=True,
    ),
    _Cause(
        r"transport '|is not supported|Unable to find remote helper",
        PreconditionFailed,
        "ProtocolRefused",
        "the address begins with a protocol that is not used; write https, http, ssh, git or file",
    ),
    _Cause(
        r"Could not read from remote repository",
        PreconditionFailed,
        "AccessDenied",
        "the repository cannot be read; check the address, and the step's Secret",
    ),
)
"""The first whose sign is found counts."""


def error_of(verb: str, said: str, access: Access) -> ActionError:
    """Return the error that a failure of git means.

    Args:
        verb: Such as fetch.
        said: Its standard error.
        access: What it ran with.
    """
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # what the server's side prints is told, and may have any words
    remote = [line.removeprefix("remote:").strip() for line in lines if line.startswith("remote:")]
    own = [line for line in lines if not line.startswith("remote:")]
    for cause in _CAUSES:
        for line in [*own, *(remote if cause.remote else ())]:
            if match := re.search(cause.sign, line):
                sentence = cause.sentence
                if cause.without is not None and not getattr(access, cause.without[0]):
                    sentence = cause.without[1]
                sentence = sentence.format(*(group or "" for group in match.groups()))
                sentence = _through(access.proxy, line) or sentence
                return cause.kind(_message(verb, sentence, [*remote[:5], line]), reason=cause.reason)
    return Failed(_message(verb, "", [*remote[:5], *own[-3:]]), reason="GitFailed")


def _through(proxy: str, line: str) -> str:
    """Return what to say where it was the proxy that did not answer."""
    host, _, port = proxy.partition(":")
    if host and re.search(rf"connect to (?:proxy )?{re.escape(host)} port {port or '[0-9]+'}\b", line):
        return f"the proxy {proxy} in the environment (https_proxy or http_proxy) does not take connections"
    return ""


def _message(verb: str, sentence: str, lines: list[str]) -> str:
    told = " / ".join(filter(None, dict.fromkeys(lines)))[:600]
    return f"git {verb} failed: {f'{sentence}; it says: ' if sentence else ''}{told or 'it said nothing'}"
