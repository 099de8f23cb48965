"""The meaning of what kubectl complains of, as an error of the action contract, with the cause kept.

kubectl says "Unable to connect to the server: CAUSE" of a network that is down and of a certificate that nobody
trusts alike. Only the first may pass, so the cause decides.
"""

import re

from kubernaut_sdk import ActionError, Completed, Failed, NotFound, PreconditionFailed, Transient

__all__ = ["NO_SUCH_KIND", "TESTED", "error_of", "said"]

TESTED = "the server rejected our request due to an error in our request"
"""How kubectl tells a JSON patch whose `test` did not hold: status 422 with no more words."""

NO_SUCH_KIND = "NoSuchKind"
"""The reason where the API server has no such kind of object at all."""

_LONGEST = 700
"""Characters of a complaint that are told; a credential plugin's own words come with it."""
_KLOG = re.compile(r"[EIWF]\d{4} ")
"""The start of a line that kubectl logs for its developers, beside what it says to its user."""
_ADVICE = re.compile(r"It looks like you are trying to use|To learn more about this feature|\s+https?://")
_REASON = re.compile(r"Error from server \((\w+)\)")
_REASONS: dict[str, type[ActionError]] = {
    "AlreadyExists": PreconditionFailed,
    "Conflict": Transient,
    "Forbidden": PreconditionFailed,
    "InternalError": Transient,
    "NotFound": NotFound,
    "ServerTimeout": Transient,
    "ServiceUnavailable": Transient,
    "Timeout": Transient,
    "TooManyRequests": Transient,
    "Unauthorized": PreconditionFailed,
}
"""What a reason of the API server (`metav1.StatusReason`) means."""

_CREDENTIALS = re.compile(
    r"getting credentials: exec|exec plugin|You must be logged in to the server|\(Unauthorized\)"
    r"|refresh token|oauth2: |status code 407|Proxy Authentication Required"
)
_CONFIGURATION = re.compile(
    r"error loading config file|Error in configuration|invalid configuration|unable to read c|unable to load root"
    r"|unsupported protocol scheme|context \"[^\"]*\" does not exist|cluster \"[^\"]*\" does not exist"
    r"|error: open .*: (no such file or directory|permission denied)|private key does not match|localhost:8080"
    r"|status code 30\d"
)
_UNTRUSTED = re.compile(r"x509: |\btls: |certificate|server gave HTTP response to HTTPS client|malformed HTTP")
_NETWORK = re.compile(
    r"The connection to the server \S+ was refused|connection refused|connection reset|connection timed out"
    r"|broken pipe|i/o timeout|no route to host|network is (unreachable|down)|host is down|TLS handshake timeout"
    r"|Client\.Timeout|context deadline exceeded|no such host|server misbehaving|Temporary failure in name resolution"
    r"|\bEOF\b|http2: |server closed idle connection|use of closed network connection|etcdserver: leader changed"
    r"|Service Unavailable|Bad Gateway|Gateway Time-?out|invalid character '<' looking for beginning of value"
)

_SIGNS: tuple[tuple[type[ActionError], str, re.Pattern[str]], ...] = (
    (NotFound, NO_SUCH_KIND, re.compile("doesn't have a resource type")),
    (PreconditionFailed, "Unauthorized", _CREDENTIALS),
    (PreconditionFailed, "Configuration", _CONFIGURATION),
    (PreconditionFailed, "Untrusted", _UNTRUSTED),
    (Transient, "Unreachable", _NETWORK),
)
"""The first that is found decides: a credential plugin that times out is no network of ours."""


def error_of(completed: Completed, what: str) -> ActionError:
    """Return the error that kubectl's complaint is.

    Args:
        completed: A kubectl that failed.
        what: What it was told to do, for the message.
    """
    text = completed.stderr
    message = f"kubectl could not {what}: {said(completed)}"
    if (reason := _REASON.search(text)) and reason[1] in _REASONS:
        if reason[1] == "InternalError" and "x509: " in text:  # a webhook whose certificate the API server refuses
            return Failed(message, reason=reason[1])
        return _REASONS[reason[1]](message, reason=reason[1])
    spoken = "\n".join(_lines(text))
    for kind, reason_word, sign in _SIGNS:
        if sign.search(spoken):
            return kind(message, reason=reason_word)
    return Failed(message, reason="KubectlFailed")


def said(completed: Completed) -> str:
    """Return what kubectl and its plugins said, each line once, without what its libraries log."""
    lines = [line.strip() for line in _lines(completed.stderr) if not _ADVICE.match(line)]
    text = completed.mask(" / ".join(dict.fromkeys(lines)))  # before it is cut: half a secret is not recognised
    return f"…{text[-_LONGEST:]}" if len(text) > _LONGEST else text or completed.complaint()


def _lines(text: str) -> list[str]:
    """The lines that are no log; a log entry of several lines goes from `err=<` to a line of ` >`."""
    kept, within = [], False
    for line in text.splitlines():
        if within:
            within = line.strip() != ">"
        elif _KLOG.match(line):
            within = line.endswith("=<")
        elif line.strip():
            kept.append(line)
    return kept
