"""Causes of git's failures, found in the messages of git, ssh and curl, each with advice.

Used by `kubernaut_argocd._git`. The patterns match the messages of git 2.30 to 2.5x, OpenSSH 8 to 10, and of curl with
GnuTLS or OpenSSL, in English (`LC_ALL`).
"""

import re
from dataclasses import dataclass

from kubernaut_argocd._credentials import GitAccess
from kubernaut_sdk import ActionError, Failed, NotFound, PreconditionFailed, Transient

__all__ = ["NO_SUCH_BRANCH", "PUSH_REJECTED", "error_of"]

PUSH_REJECTED = "PushRejected"
"""The reason for a push that was rejected because another push came first."""
NO_SUCH_BRANCH = "NoSuchBranch"


@dataclass(frozen=True)
class _GitCause:
    """A pattern in the messages, and its meaning.

    Attributes:
        sign: A regular expression, searched in each line. Its groups fill the sentence.
        kind: The class of the error.
        reason: The error's reason, for programs.
        sentence: The cause, and what to do; `{0}`, `{1}` are the groups of `sign`.
        without: A field of `GitAccess`, and the sentence to use where that field is false.
        remote: True if the pattern is also searched in the server's messages (`remote: …`).
    """

    sign: str
    kind: type[ActionError]
    reason: str
    sentence: str
    without: tuple[str, str] | None = None
    remote: bool = False


_COMPARE = "compare the key with the one that the server's owner publishes"
_CAUSES = (
    # pushes that the server rejected
    _GitCause(
        r"\[rejected\]|\[remote rejected\].*\((?:cannot lock ref|failed to update ref|incorrect old value)"
        r"|cannot lock ref|fetch first|non-fast-forward",
        Transient,
        PUSH_REJECTED,
        "somebody else's push was first",
    ),
    _GitCause(
        r"marked as read only|not allowed to push|not have write access|[Ww]rite access to .*not granted|archived",
        PreconditionFailed,
        "AccessDenied",
        "the step's Secret opens the repository for reading only; it must be allowed to push",
        remote=True,
    ),
    _GitCause(
        r"hook declined|protected branch|GH006|GH013|refusing to update checked out branch|hidden ref"
        r"|shallow update not allowed|\[remote rejected\]",
        Failed,
        "PushRefused",
        "the server refuses the push",
        remote=True,
    ),
    # ssh
    _GitCause(
        r"REVOKED HOST KEY|host key .* revoked",
        PreconditionFailed,
        "HostKeyRevoked",
        f"known_hosts says that the server's host key is revoked; {_COMPARE}",
    ),
    _GitCause(
        r"HOST IDENTIFICATION HAS CHANGED|Host key for \S+ has changed|differs from the key for the IP address",
        PreconditionFailed,
        "HostKeyChanged",
        "the server's host key is not the one in the Secret's known_hosts: the server has a new one, or somebody "
        f"stands in between; {_COMPARE} before known_hosts is changed",
    ),
    _GitCause(
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
    _GitCause(
        r"Host key verification failed",
        PreconditionFailed,
        "HostKeyUnknown",
        f"the server's host key is not one of the Secret's known_hosts; {_COMPARE}, and add it",
    ),
    _GitCause(
        r"no matching ([a-z ]+) found|no mutual signature",
        PreconditionFailed,
        "NoCommonAlgorithm",
        "the server and this image's ssh have no algorithm in common; one of them is too old",
    ),
    _GitCause(
        r"incorrect passphrase",
        PreconditionFailed,
        "KeyLocked",
        "the Secret's ssh-privatekey is locked with a passphrase; put one without into the Secret",
    ),
    _GitCause(
        r"Load key .*: (.*)",
        PreconditionFailed,
        "KeyUnreadable",
        "the Secret's ssh-privatekey is no private key that ssh can read ({0}); it must be the whole file, with its "
        "BEGIN and END lines, and not the .pub",
    ),
    _GitCause(
        r"Too many authentication failures",
        PreconditionFailed,
        "KeyRefused",
        "the server gave up after too many keys; put the one that it knows into the step's Secret",
    ),
    _GitCause(
        r"Permission denied \(|Permission denied, please",
        PreconditionFailed,
        "KeyRefused",
        "the server does not take the Secret's ssh-privatekey for this user; let it know the key's public half, with "
        "the right to push, and check the user in the address (most servers want git@)",
        without=("key", "the server wants an ssh key, and the step's Secret has no ssh-privatekey"),
    ),
    _GitCause(r"cannot run ssh|ssh: not found", PreconditionFailed, "ToolMissing", "the image has no ssh"),
    # TLS
    _GitCause(
        r"certificate has expired|expiration date has passed",
        PreconditionFailed,
        "CertificateExpired",
        "the server's certificate has expired; its owner must renew it (or this machine's clock is wrong)",
    ),
    _GitCause(
        r"not yet (?:valid|activated)|not activated yet",
        PreconditionFailed,
        "CertificateNotYetValid",
        "the server's certificate is not valid yet; look at its dates and at this machine's clock",
    ),
    _GitCause(
        r"does(?:n't| not) match (?:target )?host ?name|no alternative certificate subject name|host name.*mismatch",
        PreconditionFailed,
        "CertificateOfAnother",
        "the server's certificate is for another host; use the name in the address that it was made for",
    ),
    _GitCause(
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
    _GitCause(
        r"unexpected TLS packet|wrong version number|packet with unexpected length|(?:gnutls_handshake|SSL_connect|SSL "
        r"routines|SSL_ERROR)",
        PreconditionFailed,
        "TlsFailed",
        "there is no TLS connection with the server; perhaps it speaks plain http at this port, or another version",
    ),
    # proxies and redirects
    _GitCause(
        r"resolve proxy:? ?(\S*)",
        PreconditionFailed,
        "ProxyUnknown",
        "the proxy {0} in the environment (https_proxy or http_proxy) has a name that is not known",
    ),
    _GitCause(
        r"(?:response|HTTP code|returned error:) 407",
        PreconditionFailed,
        "ProxyDenied",
        "the proxy in the environment (https_proxy or http_proxy) wants a user name and password",
    ),
    _GitCause(
        r"CONNECT tunnel failed, response (\d+)|HTTP code (\d+) from proxy|Proxy CONNECT aborted",
        PreconditionFailed,
        "ProxyDenied",
        "the proxy in the environment (https_proxy or http_proxy) does not let git through to the server; allow it, or "
        "name the server in no_proxy",
    ),
    _GitCause(
        r"returned error: 30[1-8]|update url base from redirection",
        PreconditionFailed,
        "Redirected",
        "the server points to another address, and no redirect is followed, since the Secret's password would go "
        "along; write the address that it points to (the repository was moved or renamed, or it lacks https or .git)",
    ),
    # HTTP
    _GitCause(
        r"Authentication failed|returned error: 401|could not read (?:Username|Password)",
        PreconditionFailed,
        "AccessDenied",
        "the server does not take the Secret's username and password; many want a token for a password",
        without=(
            "password",
            "the server wants a user name and password; put them into the step's Secret, as username and password",
        ),
    ),
    _GitCause(
        r"returned error: 403",
        PreconditionFailed,
        "AccessDenied",
        "the server does not allow it; check what the step's Secret may do there",
        without=("password", "the server does not allow it to everybody; name a Secret, by the step's secretName"),
    ),
    _GitCause(
        r"returned error: 429",
        Transient,
        "Unreachable",
        "the server asks for fewer requests",
    ),
    _GitCause(
        r"returned error: (5\d\d)|RPC failed; HTTP (5\d\d)",
        Transient,
        "Unreachable",
        "the server, or a proxy before it, has trouble of its own",
    ),
    _GitCause(
        r"is this a git repository|invalid server response|protocol error: bad line length",
        PreconditionFailed,
        "NotGit",
        "what answers at this address is no git server, but perhaps a page to log in",
    ),
    # network
    _GitCause(
        r"Could not resolve host(?:name)?:? ?(\S*)",
        Transient,
        "Unreachable",
        "the name of the server is not known, for the moment or at all; check it in the address, and the DNS",
    ),
    _GitCause(
        r"Connection refused|unable to connect|Failed to connect|Couldn't connect",
        Transient,
        "Unreachable",
        "the server does not take connections; check the port in the address, and network policies",
    ),
    _GitCause(
        r"Connection timed out|Network is unreachable|No route to host|Operation too slow|timed out|Timeout",
        Transient,
        "Unreachable",
        "the server does not answer in time",
    ),
    _GitCause(
        r"Connection closed|Connection reset|Empty reply from server|early EOF|hung up unexpectedly"
        r"|unexpected disconnect|transfer closed|RPC failed|Broken pipe",
        Transient,
        "Unreachable",
        "the server ended the connection in the middle",
    ),
    # repository
    _GitCause(r"couldn't find remote ref", NotFound, NO_SUCH_BRANCH, "the repository has no such branch"),
    _GitCause(
        r"dubious ownership",
        PreconditionFailed,
        "AccessDenied",
        "the repository's folder belongs to another user than the one that the server's side of git runs as",
    ),
    _GitCause(
        r"not appear to be a git repository|does not exist|not found|not exported|returned error: 404",
        NotFound,
        "NotFound",
        "there is no such repository, or the step's Secret does not open it; check the address, and the Secret",
    ),
    _GitCause(
        r"No space left|Disk quota exceeded",
        PreconditionFailed,
        "NoSpace",
        "there is no space left for it",
        remote=True,
    ),
    _GitCause(
        r"Permission denied|insufficient permission|Read-only file system",
        PreconditionFailed,
        "AccessDenied",
        "the repository's files may not be read or written by this user",
        remote=True,
    ),
    _GitCause(
        r"transport '|is not supported|Unable to find remote helper",
        PreconditionFailed,
        "ProtocolRefused",
        "the address begins with a protocol that is not used; write https, http, ssh, git or file",
    ),
    _GitCause(
        r"Could not read from remote repository",
        PreconditionFailed,
        "AccessDenied",
        "the repository cannot be read; check the address, and the step's Secret",
    ),
)
"""The known causes. The first whose pattern is found is reported."""


def error_of(verb: str, stderr: str, access: GitAccess) -> ActionError:
    """Return the error for a failed git command.

    Args:
        verb: The git command, such as fetch.
        stderr: Its standard error, masked.
        access: The credentials that it ran with.
    """
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    # the server's messages are shown, but only some patterns are searched in them: a server may print anything
    remote = [line.removeprefix("remote:").strip() for line in lines if line.startswith("remote:")]
    own = [line for line in lines if not line.startswith("remote:")]
    for cause in _CAUSES:
        for line in [*own, *(remote if cause.remote else ())]:
            if match := re.search(cause.sign, line):
                sentence = cause.sentence
                if cause.without is not None and not getattr(access, cause.without[0]):
                    sentence = cause.without[1]
                sentence = sentence.format(*(group or "" for group in match.groups()))
                sentence = _proxy_sentence(access.proxy, line) or sentence
                return cause.kind(_message(verb, sentence, [*remote[:5], line]), reason=cause.reason)
    return Failed(_message(verb, "", [*remote[:5], *own[-3:]]), reason="GitFailed")


def _proxy_sentence(proxy: str, line: str) -> str:
    """Return the sentence to use if the proxy did not answer, otherwise an empty text."""
    host, _, port = proxy.partition(":")
    if host and re.search(rf"connect to (?:proxy )?{re.escape(host)} port {port or '[0-9]+'}\b", line):
        return f"the proxy {proxy} in the environment (https_proxy or http_proxy) does not take connections"
    return ""


def _message(verb: str, sentence: str, lines: list[str]) -> str:
    text = " / ".join(filter(None, dict.fromkeys(lines)))[:600]
    return f"git {verb} failed: {f'{sentence}; it says: ' if sentence else ''}{text or 'it said nothing'}"
