"""The review of ServiceAccounts' tokens by Kubernetes' TokenReview API.

A file of its own, since only a service with `--token-review` needs an HTTP client.
"""

import logging
import ssl
from collections.abc import Mapping

import httpx

from kubernaut_datastorage.store import DatabaseUnavailable
from kubernaut_datastorage.tokens import Reviewed
from kubernaut_sdk.incluster import ServiceAccount

__all__ = ["KubernetesTokenReviewer", "parse_review"]

logger = logging.getLogger(__name__)


def parse_review(answer: Mapping[str, object], audience: str) -> Reviewed | None:
    """Return the user of a TokenReview's status, if the token is good and for this audience."""
    if answer.get("authenticated") is not True:
        return None
    audiences, user = answer.get("audiences"), answer.get("user")
    if not isinstance(audiences, list) or audience not in audiences or not isinstance(user, dict):
        return None

    def extra(name: str) -> str | None:
        about = user.get("extra")
        values = about.get(f"authentication.kubernetes.io/{name}") if isinstance(about, dict) else None
        return str(values[0]) if isinstance(values, list) and values else None

    return Reviewed(str(user.get("username")), extra("pod-uid"), extra("pod-name"))


class KubernetesTokenReviewer:
    """Kubernetes' TokenReview API.

    Args:
        url: The API server's.
        account: This pod's ServiceAccount; its token is read for each request, since it is renewed.
        audience: That the token must be for.
    """

    def __init__(self, url: str, account: ServiceAccount, audience: str) -> None:
        self._account, self._audience = account, audience
        authority = str(account.ca_file) if account.ca_file.exists() else None
        self._client = httpx.AsyncClient(
            base_url=url,
            timeout=5,
            trust_env=False,
            follow_redirects=False,  # what is reviewed is a token, and so is what it is asked with
            verify=ssl.create_default_context(cafile=authority),
        )

    async def review(self, token: str) -> Reviewed | None:
        """Return the token's user, or None if the token is not good.

        Raises:
            DatabaseUnavailable: if Kubernetes does not answer, so that the caller sends its request again later.
        """
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [self._audience]},
        }
        try:
            headers = {"authorization": f"Bearer {self._account.token()}"}
            answer = await self._client.post("/apis/authentication.k8s.io/v1/tokenreviews", json=body, headers=headers)
            answer.raise_for_status()
            status = answer.json()["status"]
        except (OSError, httpx.HTTPError, ValueError, KeyError) as error:
            logger.warning("a token cannot be reviewed: %s", error)
            raise DatabaseUnavailable(
                "the token cannot be checked: Kubernetes does not answer; send this again later."
            ) from None
        return parse_review(status, self._audience)
