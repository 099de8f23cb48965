"""The service's log: JSON lines on standard error; plain text if that is a terminal."""

import json
import logging
import sys
from datetime import UTC, datetime

from kubernaut_sdk.times import rfc3339

__all__ = ["log_to_stderr"]


class JsonLogFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": rfc3339(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_to_stderr() -> None:
    """Log everything at INFO and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    plain = logging.Formatter("%(levelname)s: %(message)s")
    handler.setFormatter(plain if sys.stderr.isatty() else JsonLogFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    for name in ("httpx", "asyncio", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
