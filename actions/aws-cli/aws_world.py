"""The AWS account that conformance.yaml speaks of: made anew (`setup URL`), or printed (`state URL`).

It speaks AWS's query protocol by itself: it is started for every run, and boto3 takes a second to import.
"""

import json
import re
import sys
import urllib.request
from urllib.parse import urlencode

verb, url = sys.argv[1:]
IMAGE = "ami-00000000000000000"  # whatever it names, nothing is started of it


def call(service: str, action: str, **params: str) -> str:
    """The XML that the service answers with. Nobody checks the signature here; it tells which service is meant."""
    scope = f"Credential=test/20260101/eu-central-1/{service}/aws4_request"
    body = urlencode({"Action": action, "Version": {"ec2": "2016-11-15"}.get(service, "2011-01-01"), **params})
    signed = {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none"}
    with urllib.request.urlopen(urllib.request.Request(url, body.encode(), signed)) as answer:  # noqa: S310 – loopback
        return str(answer.read().decode())


def first(name: str, text: str) -> str:
    """The content of the first element of that name."""
    found = re.search(rf"<{name}>([^<]+)</{name}>", text)
    if found is None:
        sys.exit(f"no {name} in {text[:500]}")
    return found[1]


def setup() -> None:
    """One instance, and one group of two; the instance's id is printed as a variable of the scenario."""
    urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST")).close()  # noqa: S310
    running = call("ec2", "RunInstances", ImageId=IMAGE, MinCount="1", MaxCount="1")
    workers = {"LaunchConfigurationName": "workers"}
    call("autoscaling", "CreateLaunchConfiguration", **workers, ImageId=IMAGE, InstanceType="t3.micro")
    sizes = {"MinSize": "1", "MaxSize": "8", "DesiredCapacity": "2"}
    zone = {"AvailabilityZones.member.1": first("zoneName", call("ec2", "DescribeAvailabilityZones"))}
    call("autoscaling", "CreateAutoScalingGroup", AutoScalingGroupName="workers", **workers, **sizes, **zone)
    print(json.dumps({"instance": first("instanceId", running)}))


def state() -> None:
    """What the actions could change."""
    print(first("DesiredCapacity", call("autoscaling", "DescribeAutoScalingGroups")))


{"setup": setup, "state": state}[verb]()
