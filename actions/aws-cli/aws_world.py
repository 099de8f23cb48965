"""The AWS account that conformance.yaml uses: `setup URL TYPE` makes an action's, `state URL` prints its state.

`moto_extended.py` does it; this only asks it to, since importing boto3 for every run would take a second each time.
"""

import sys
import urllib.request

verb, url, *of = sys.argv[1:]
path, method = {"setup": (f"/worlds/{''.join(of)}", "POST"), "state": ("/worlds", "GET")}[verb]
with urllib.request.urlopen(urllib.request.Request(url + path, method=method)) as answer:  # noqa: S310 – loopback
    print(answer.read().decode())
