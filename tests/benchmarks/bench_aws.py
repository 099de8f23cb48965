"""The time from start to the end of the first call to AWS: `python tests/benchmarks/bench_aws.py`.

The action plans to leave an Auto Scaling group as it is, which takes one request; boto3 alone makes the same client and
the same request, to the same moto server.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from measure import compare, report

FOLDER = Path(__file__).parents[2] / "actions" / "aws-cli"
URL = "http://127.0.0.1:5991"
ENV = {
    **os.environ,
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_ENDPOINT_URL": URL,
    "AWS_SECRET_ACCESS_KEY": "y",
}
ALONE = """
import boto3
from botocore.config import Config
config = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 1})
client = boto3.Session().client("autoscaling", region_name="eu-central-1", config=config)
pages = client.get_paginator("describe_auto_scaling_groups").paginate(AutoScalingGroupNames=["workers"])
assert [group for page in pages for group in page["AutoScalingGroups"]]
"""
INPUTS = {"region": "eu-central-1", "group": "workers", "desired": 2, "wait": False}
ROUNDS = 15


def alone() -> None:
    """Make the client and the request with boto3."""
    subprocess.run([sys.executable, "-c", ALONE], env=ENV, check=True)


def action(folder: str) -> None:
    """Plan the action as a process."""
    env = {**ENV, "ACTION_INPUTS": json.dumps(INPUTS), "RESULTS_DIR": folder, "HOME": folder}
    argv = [str(Path(sys.executable).parent / "kubernaut-action"), "plan", "aws/set_desired_capacity"]
    subprocess.run(argv, env=env, check=True, capture_output=True)


def main() -> None:
    """Measure and print."""
    argv = [sys.executable, "moto_extended.py", "--port=5991"]
    with tempfile.TemporaryDirectory() as folder, subprocess.Popen(argv, cwd=FOLDER, stderr=subprocess.DEVNULL) as moto:
        try:
            for _ in range(100):
                time.sleep(0.2)
                try:
                    made = urllib.request.Request(f"{URL}/worlds/aws/set_desired_capacity", method="POST")
                    urllib.request.urlopen(made).close()
                    break
                except OSError:
                    continue
            times = compare(ROUNDS, **{"boto3 alone": alone, "the action": lambda: action(folder)})
        finally:
            moto.terminate()
    report(
        "aws/set_desired_capacity, from start to its first call's end",
        times,
        "boto3 alone",
        "at most 1.3 × boto3 alone",
    )


if __name__ == "__main__":
    main()
