"""The AWS account that conformance.yaml uses: `setup URL` makes it anew, `state URL` prints its state.

This uses AWS's query protocol directly: it is started for every run, and importing boto3 takes a second.
"""

import json
import re
import sys
import urllib.request
from urllib.parse import urlencode

verb, url = sys.argv[1:]
IMAGE = "ami-00000000000000000"  # no machine is started from it


def call_aws(service: str, action: str, **params: str) -> str:
    """Call an operation and return the XML of the response. The signature is not checked; it only names the service."""
    scope = f"Credential=test/20260101/eu-central-1/{service}/aws4_request"
    body = urlencode({"Action": action, "Version": {"ec2": "2016-11-15"}.get(service, "2011-01-01"), **params})
    signed = {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none"}
    with urllib.request.urlopen(urllib.request.Request(url, body.encode(), signed)) as answer:  # noqa: S310 – loopback
        return str(answer.read().decode())


def first(name: str, text: str) -> str:
    """Return the content of the first element with a name."""
    found = re.search(rf"<{name}>([^<]+)</{name}>", text)
    if found is None:
        sys.exit(f"no {name} in {text[:500]}")
    return found[1]


def setup() -> None:
    """Make one instance and one group of two, and print the instance's id as a variable of the scenario."""
    urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST")).close()  # noqa: S310
    running = call_aws("ec2", "RunInstances", ImageId=IMAGE, MinCount="1", MaxCount="1")
    workers = {"LaunchConfigurationName": "workers"}
    call_aws("autoscaling", "CreateLaunchConfiguration", **workers, ImageId=IMAGE, InstanceType="t3.micro")
    sizes = {"MinSize": "1", "MaxSize": "8", "DesiredCapacity": "2"}
    zone = {"AvailabilityZones.member.1": first("zoneName", call_aws("ec2", "DescribeAvailabilityZones"))}
    call_aws("autoscaling", "CreateAutoScalingGroup", AutoScalingGroupName="workers", **workers, **sizes, **zone)
    print(json.dumps({"instance": first("instanceId", running)}))


def state() -> None:
    """Print what the actions can change."""
    print(first("DesiredCapacity", call_aws("autoscaling", "DescribeAutoScalingGroups")))


{"setup": setup, "state": state}[verb]()
