"""A controller that is killed (-9) right after its N-th write was answered: `dying_controller.py N OPTION...`."""

import os
import signal
import sys
from typing import Any

from kubernaut_controller.operator.__main__ import main
from kubernaut_controller.operator.api import Api
from kubernaut_controller.operator.recordsclient import RecordsClient

LEFT = int(sys.argv.pop(1))


def counted(exchange: Any) -> Any:
    async def call(self: Any, method: str, *args: Any) -> Any:
        global LEFT  # noqa: PLW0603 – it lives as long as the process
        answer = await exchange(self, method, *args)
        if method != "GET" and 200 <= answer[0] < 300:
            LEFT -= 1
            if LEFT == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return answer

    return call


Api._exchange = counted(Api._exchange)  # type: ignore[method-assign]
RecordsClient._exchange = counted(RecordsClient._exchange)  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
