"""The meanings of AWS's error codes for an action. Codes are one space, but for those that services use differently."""

from dataclasses import dataclass

from kubernaut_sdk import ActionError, Failed, NotFound, PreconditionFailed, Transient

__all__ = ["AMBIGUOUS", "Meaning", "meaning_of"]


@dataclass(frozen=True)
class Meaning:
    """An error of the action contract, and what to do about it.

    Attributes:
        error: The class.
        hint: A sentence's end, or nothing.
    """

    error: type[ActionError]
    hint: str = ""


_CLOCK = "does the clock of this machine go right?"
_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IDPRejectedClaim",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidIdentityToken",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NotAuthorized",
    "OptInRequired",
    "RegionDisabledException",
    "SignatureDoesNotMatch",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
}
"""AWS refuses the credentials or the request's signature."""
_NOT_EXECUTED = {
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "PriorRequestNotComplete",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "ResourceContention",
    "ScalingActivityInProgress",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TooManyUpdates",
}
"""Nothing was done, and another attempt may succeed."""
AMBIGUOUS = {
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    "InternalServiceError",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServerException",
    "ServiceException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "Unavailable",
}
"""The request may or may not have been carried out."""
_NO_CAPACITY = Meaning(Transient, "AWS has no such capacity in that zone at the moment")
_MEANINGS: dict[str, Meaning] = {
    **dict.fromkeys(_DENIED, Meaning(PreconditionFailed)),
    **dict.fromkeys(("RequestExpired", "RequestTimeTooSkewed"), Meaning(PreconditionFailed, _CLOCK)),
    **dict.fromkeys(_NOT_EXECUTED, Meaning(Transient)),
    "InsufficientHostCapacity": _NO_CAPACITY,
    "InsufficientInstanceCapacity": _NO_CAPACITY,
    "InsufficientReservedInstanceCapacity": _NO_CAPACITY,
    "InvalidInstanceID.Malformed": Meaning(NotFound),
    "NoSuchHealthCheck": Meaning(NotFound),
    "NoSuchHostedZone": Meaning(NotFound),
    "SnapshotCreationPerVolumeRateExceeded": Meaning(Transient, "a volume takes one snapshot in 15 seconds"),
    "VolumeModificationRateExceeded": Meaning(PreconditionFailed, "a volume can be modified again after six hours"),
}
_BY_SERVICE: dict[str, dict[str, Meaning]] = {
    "ecs": {"UpdateInProgressException": Meaning(Transient), "ServiceNotActiveException": Meaning(NotFound)},
    "eks": {
        "ResourceInUseException": Meaning(Transient, "another update of the node group runs"),
        "ResourcePropagationDelayException": Meaning(Transient),
    },
    "elbv2": {"InvalidTarget": Meaning(Failed, "a target must exist in the target group's VPC, and run")},
    "lambda": {
        "PreconditionFailedException": Meaning(Transient, "somebody changed it since it was read; it is planned anew"),
        "ResourceConflictException": Meaning(Transient, "another update of the function runs"),
        "ResourceNotReadyException": Meaning(Transient),
    },
    "rds": {
        "InvalidDBClusterStateFault": Meaning(Transient, "another operation on the cluster runs"),
        "InvalidDBInstanceState": Meaning(Transient, "another operation on the instance runs"),
    },
    "route53": {
        "InvalidChangeBatch": Meaning(Transient, "the record is not the one that was read; it is planned anew")
    },
    "ssm": {
        "AutomationExecutionLimitExceededException": Meaning(Transient, "as many automations run as the account may"),
        "InvalidDocument": Meaning(NotFound),
        "InvalidDocumentVersion": Meaning(NotFound),
    },
}


def meaning_of(service: str, code: str, message: str) -> Meaning | None:
    """Return the meaning of an error, or None if it has none of its own."""
    if (found := _BY_SERVICE.get(service, {}).get(code) or _MEANINGS.get(code)) is not None:
        return found
    if "NotFound" in code or (code == "ValidationError" and "not found" in message):
        return Meaning(NotFound)
    return None
