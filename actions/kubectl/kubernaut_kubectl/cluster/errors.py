"""kubectl's failures as errors of the action contract, with the cause kept.

kubectl prints "Unable to connect to the server: CAUSE" for a network failure and for an untrusted certificate alike.
Only the first is transient, so the cause decides.
"""

import re

from kubernaut_sdk import ActionError, Completed, Failed, NotFound, PreconditionFailed, Transient

__all__ = ["NO_SUCH_KIND", "PATCH_TEST_FAILED", "error_of", "error_text"]

PATCH_TEST_FAILED = "the server rejected our request due to an error in our request"
"""kubectl's message for a JSON patch whose `test` failed: status 422 without any details."""

NO_SUCH_KIND = "NoSuchKind"
"""The reason of the error if the API server does not have that kind of object."""

_LONGEST = 700
"""The most characters of kubectl's output in a message; it may include a credential plugin's own output."""
_KLOG = re.compile(r"[EIWF]\d{4} ")
"""The start of a line of kubectl's own log, which is not meant for its user."""
_ADVICE = re.compile(r"It looks like you are trying to use|To learn more about this feature|\s+https?://")
_REASON = re.compile(r"Error from server \((\w+)\)")
_ERRORS_BY_REASON: dict[str, type[ActionError]] = {
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
"""The error class for each reason of the API server (`metav1.StatusReason`)."""

_CREDENTIALS = re.compile(
    r"getting credentials: exec|exec plugin|You must be logged in to the server|\(Unauthorized\)"
    r"|(?:refresh token|oauth2): (?!.*(?:dial tcp|timeout|\bEOF\b|x509: ))"
    r"|status code 407|Proxy Authentication Required"
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

_ERRORS_BY_PATTERN: tuple[tuple[type[ActionError], str, re.Pattern[str]], ...] = (
    (NotFound, NO_SUCH_KIND, re.compile("doesn't have a resource type")),
    (PreconditionFailed, "Unauthorized", _CREDENTIALS),
    (PreconditionFailed, "Configuration", _CONFIGURATION),
    (PreconditionFailed, "Untrusted", _UNTRUSTED),
    (Transient, "Unreachable", _NETWORK),
)
"""The error for each pattern. The first that matches decides: a credential plugin's timeout is no network failure."""


def error_of(completed: Completed, what: str) -> ActionError:
    """Return the error for a failed kubectl.

    Args:
        completed: The kubectl process that failed.
        what: The attempted task, for the message: "kubectl could not {what}".
    """
    text = completed.stderr
    message = f"kubectl could not {what}: {error_text(completed)}"
    if (reason := _REASON.search(text)) and reason[1] in _ERRORS_BY_REASON:
        if reason[1] == "InternalError" and "x509: " in text:  # a webhook whose certificate the API server refuses
            return Failed(message, reason=reason[1])
        return _ERRORS_BY_REASON[reason[1]](message, reason=reason[1])
    text_for_user = "\n".join(_user_lines(text))
    for kind, reason_word, sign in _ERRORS_BY_PATTERN:
        if sign.search(text_for_user):
            return kind(message, reason=reason_word)
    return Failed(message, reason="KubectlFailed")


def error_text(completed: Completed) -> str:
    """Return the messages of kubectl and its plugins, each line once, without log lines of its libraries."""
    lines = [line.strip() for line in _user_lines(completed.stderr) if not _ADVICE.match(line)]
    text = completed.mask(
        " / ".join(dict.fromkeys(lines))
    )  # masked before it is cut: a part of a secret would not be recognised
    return f"…{text[-_LONGEST:]}" if len(text) > _LONGEST else text or completed.complaint()


def _user_lines(text: str) -> list[str]:
    """Return the lines that are no log. A log entry of several lines goes from `err=<` to a line of ` >`."""
    kept, within = [], False
    for line in text.splitlines():
        if within:
            within = line.strip() != ">"
        elif _KLOG.match(line):
            within = line.endswith("=<")
        elif line.strip():
            kept.append(line)
    return kept
