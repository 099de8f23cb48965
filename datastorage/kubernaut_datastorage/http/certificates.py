"""Certificates that are renewed while the service runs."""

import logging
import ssl
import threading
from pathlib import Path

__all__ = ["CertificateRenewal"]

logger = logging.getLogger(__name__)

_INTERVAL = 30.0


class CertificateRenewal:
    """A watch on the certificate's files: new connections get the renewed certificate.

    Args:
        context: The server's.
        files: Certificate chain and key (PEM), whose change is looked for.
    """

    def __init__(self, context: ssl.SSLContext, files: tuple[Path, Path]) -> None:
        self._context, self._files = context, files
        self._seen = self._times()

    def start(self) -> None:
        """Watch the files every half minute, as long as the process lives."""
        threading.Thread(target=self._watch, name="certificates", daemon=True).start()

    def reload_if_changed(self) -> bool:
        """Load the files if they have changed; return True if so. Files that cannot be used yet are left for later."""
        try:
            now = self._times()
            if now == self._seen:
                return False
            # first into another: what fails midway leaves a context without a key
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*self._files)
            self._context.load_cert_chain(*self._files)
        except (OSError, ssl.SSLError) as error:
            logger.warning("the renewed certificate is not used yet: %s", error)
            return False
        self._seen = now
        logger.info("took up the renewed certificate %s", self._files[0])
        return True

    def _times(self) -> list[int]:
        return [path.stat().st_mtime_ns for path in self._files]

    def _watch(self) -> None:
        while not threading.Event().wait(_INTERVAL):
            self.reload_if_changed()
