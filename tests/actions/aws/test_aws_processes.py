"""The AWS actions on a real AWS API: moto's server on loopback."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import botocore.session
import pytest

import kubernaut_aws
from kubernaut_sdk.models import parse_inputs
from kubernaut_sdk.testing import ActionRunner

REGION = "eu-central-1"
IMAGE = "ami-12c6146b"  # one of those that moto knows


@pytest.fixture
def account(action: Any, aws: str) -> Any:
    """The action's Secret leads to the API; an Auto Scaling group and an instance are there."""
    (action.secrets / "config").write_text(f"[default]\nregion = {REGION}\nendpoint_url = {aws}\n")
    (action.secrets / "credentials").write_text(
        "[default]\naws_access_key_id = x\naws_secret_access_key = s3cr3t-key-1\n"
    )
    session = boto3.Session("x", "y", region_name=REGION)
    return session.client("ec2", endpoint_url=aws), session.client("autoscaling", endpoint_url=aws)


@pytest.fixture
def group(account: Any, request: pytest.FixtureRequest) -> str:
    scaling = account[1]
    name = f"group-{abs(hash(request.node.name)) % 10**8}"
    scaling.create_launch_configuration(LaunchConfigurationName=name, ImageId=IMAGE, InstanceType="t3.small")
    scaling.create_auto_scaling_group(
        AutoScalingGroupName=name,
        LaunchConfigurationName=name,
        MinSize=1,
        MaxSize=5,
        DesiredCapacity=2,
        AvailabilityZones=[f"{REGION}a"],
    )
    return name


def capacity(action: Any, group: str, desired: int, verb: str = "run", **env: str) -> Any:
    inputs = {"region": REGION, "group": group, "desired": desired}
    return action.run(verb, "aws/set_desired_capacity", ACTION_INPUTS=json.dumps(inputs), **env)


def test_the_group_gets_its_instances(action: Any, account: Any, group: str) -> None:
    first, second = capacity(action, group, 4), capacity(action, group, 4)
    found = account[1].describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"][0]

    assert (first.code, first.document["status"]) == (0, "succeeded"), first.stderr
    assert first.document["change"] == {"before": {"desired": 2}, "after": {"desired": 4}}
    assert second.document["status"] == "unchanged"
    assert (found["DesiredCapacity"], len(found["Instances"])) == (4, 4)
    assert "s3cr3t-key-1" not in first.stderr + first.stdout


@pytest.mark.parametrize(
    ("inputs", "code", "message"),
    [
        ({"desired": 9}, 3, "allows 1 to 5 instances, not 9"),
        ({"group": "nothing"}, 3, "there is no Auto Scaling group nothing in eu-central-1."),
        ({"desired": "4"}, 2, "inputs.desired: input should be a valid integer; it is '4'."),
        ({"desired": -1}, 2, "inputs.desired"),
        ({"region": "--region"}, 2, "inputs.region"),
        ({"region": "xx-central-1"}, 2, "no partition of AWS has such a region; write one such as eu-central-1"),
    ],
)
def test_what_cannot_be_done(action: Any, account: Any, group: str, inputs: Any, code: int, message: str) -> None:
    base = {"region": REGION, "group": group, "desired": 3}
    ended = action.run("run", "aws/set_desired_capacity", ACTION_INPUTS=json.dumps({**base, **inputs}))

    assert ended.code == code, ended.stderr
    assert message in ended.document["error"]["message"]


def test_out_of_reach_is_transient(action: Any, account: Any, group: str, closed_port: str) -> None:
    (action.secrets / "config").write_text(f"[default]\nendpoint_url = {closed_port}\n")
    ended = capacity(action, group, 4, ACTION_RETRIES="1")

    assert ended.code == 75
    assert ended.results["changed"] == "false"
    assert ended.document["record"]["attempt"] == 1


def test_without_credentials_it_says_so(action: Any, aws: str) -> None:
    (action.secrets / "config").write_text(f"[default]\nendpoint_url = {aws}\n")
    ended = capacity(action, "any", 4, AWS_EC2_METADATA_DISABLED="true")

    assert ended.code == 3
    assert json.loads(ended.results["error"])["reason"] == "NoCredentials"


def test_running_instances_are_rebooted(action: Any, account: Any) -> None:
    ec2, _ = account
    made = ec2.run_instances(ImageId=IMAGE, InstanceType="t3.small", MinCount=2, MaxCount=2)["Instances"]
    ids = [instance["InstanceId"] for instance in made]

    def reboot(*instances: str) -> Any:
        inputs = {"region": REGION, "instance_ids": list(instances), "settle": 1}
        return action.run("run", "aws/reboot_instances", ACTION_INPUTS=json.dumps(inputs))

    done = reboot(*ids)
    ec2.stop_instances(InstanceIds=[ids[1]])
    stopped, unknown, nonsense = reboot(*ids), reboot("i-00000000"), reboot("--all")

    assert (done.code, json.loads(done.results["output"])["count"]) == (0, 2), done.stderr
    assert stopped.code == 3
    assert f"only running instances can be rebooted: {ids[1]} is stopped." in stopped.document["error"]["message"]
    assert (unknown.code, nonsense.code) == (3, 2)


class Between(ThreadingHTTPServer):
    """A proxy that answers RebootInstances and SetDesiredCapacity itself, and passes everything else on to the API."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), Passing)
        self.upstream, self.asked = urlsplit(upstream).netloc, 0
        self.reads: list[tuple[int, str]] = []
        self.answers: list[tuple[int, str]] = []


class Passing(BaseHTTPRequestHandler):
    server: Between

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        called = parse_qs(body.decode())["Action"][0]
        if called in {"RebootInstances", "SetDesiredCapacity"}:
            self.server.asked += 1
            if self.server.answers:
                status, code = self.server.answers.pop(0)
                if not status:
                    if code == "wait":
                        self.rfile.read(1)  # until the caller goes
                    self.close_connection = True  # and not a word
                    return
                self.answer(status, page_or_error(code))
                return
        elif self.server.reads:
            status, code = self.server.reads.pop(0)
            self.answer(status, page_or_error(code))
            return
        upstream = HTTPConnection(self.server.upstream)
        upstream.request("POST", self.path, body, dict(self.headers))
        response = upstream.getresponse()
        self.answer(response.status, response.read())
        upstream.close()

    def answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        pass


def page_or_error(code: str) -> bytes:
    return code.encode() if "<" in code or not code else error(code)


def error(code: str) -> bytes:
    """An error as EC2 and Auto Scaling write it; botocore reads both from this."""
    inner = f"<Error><Code>{code}</Code><Message>told to</Message></Error>"
    return f"<Response><Errors>{inner}</Errors>{inner}<RequestID>x</RequestID></Response>".encode()


@contextmanager
def serving(server: Between) -> Iterator[str]:
    """While this lasts, the server answers at the address."""
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture
def between(action: Any, account: Any, aws: str) -> Iterator[Between]:
    with Between(aws) as made, serving(made) as url:
        (action.secrets / "config").write_text(f"[default]\nendpoint_url = {url}\n")
        yield made


@pytest.mark.parametrize(
    ("answer", "code", "reason", "asked"),
    [
        ((0, ""), 1, "Unknown", 1),
        ((500, "InternalError"), 1, "Unknown", 1),
        ((503, "ServiceUnavailable"), 1, "Unknown", 1),
        ((503, "RequestLimitExceeded"), 0, "", 2),
        ((403, "UnauthorizedOperation"), 1, "UnauthorizedOperation", 1),
        ((502, "<!doctype html><html><body><h1>502 Bad Gateway</h1><br></body></html>"), 1, "ForeignAnswer", 1),
        ((200, "<html><body>log in to the network first</body></html>"), 1, "ForeignAnswer", 1),
    ],
)
def test_a_reboot_that_may_have_been_done_is_not_repeated(
    action: Any, account: Any, between: Between, answer: tuple[int, str], code: int, reason: str, asked: int
) -> None:
    ec2 = account[0]
    instance = ec2.run_instances(ImageId=IMAGE, InstanceType="t3.small", MinCount=1, MaxCount=1)["Instances"][0]
    between.answers = [answer]
    inputs = {"region": REGION, "instance_ids": [instance["InstanceId"]], "settle": 1}
    ended = action.run("run", "aws/reboot_instances", ACTION_INPUTS=json.dumps(inputs), ACTION_RETRIES="2")

    assert (ended.code, between.asked) == (code, asked), ended.stderr
    assert json.loads(ended.results["error"] or '{"reason": ""}')["reason"] == reason
    assert ended.results["changed"] == ("true" if code == 0 else "unknown")


PAGES = [
    (502, "<!doctype html><html><body><h1>502 Bad Gateway</h1><br></body></html>"),
    (502, "<html><body><h1>502 Bad Gateway</h1></body></html>"),
    (403, "<html><body>the proxy does not let you</body></html>"),
    (200, "<html><body>log in to the network first</body></html>"),
    (200, "<!doctype html><p>log in"),
]


@pytest.mark.parametrize("answer", PAGES)
def test_a_page_of_a_proxy_is_no_answer_and_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, aws: str, answer: tuple[int, str]
) -> None:
    with Between(aws) as between, serving(between) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
        inputs = {"region": REGION, "group": "nothing", "desired": 1}
        between.reads = [answer]
        once = ActionRunner(kubernaut_aws.set_desired_capacity).run(inputs)
        between.reads = [answer]
        again = ActionRunner(kubernaut_aws.set_desired_capacity, retries=1).run(inputs)

    assert once.error is not None
    assert (once.exit_code, once.changed) == (75, False)
    assert again.error is not None
    assert again.error.message == "there is no Auto Scaling group nothing in eu-central-1."


@pytest.mark.parametrize(
    "code",
    ["RequestExpired", "MissingAuthenticationToken", "IncompleteSignature", "SignatureDoesNotMatch", "ExpiredToken"],
)
def test_credentials_that_aws_does_not_take_are_no_failure_of_the_action(
    monkeypatch: pytest.MonkeyPatch, aws: str, code: str
) -> None:
    with Between(aws) as between, serving(between) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
        between.reads = [(400, code)]
        inputs = {"region": REGION, "group": "nothing", "desired": 1}
        ran = ActionRunner(kubernaut_aws.set_desired_capacity, retries=2).run(inputs)

    assert ran.error is not None
    assert (ran.exit_code, ran.error.reason, ran.changed) == (3, code, False)
    assert ("does the clock of this machine go right?" in ran.error.message) == (code == "RequestExpired")


REGIONS = [
    *("af-south-1", "ap-southeast-7", "ca-west-1", "cn-northwest-1", "eu-central-1", "eu-isoe-west-1"),
    *("eusc-de-east-1", "il-central-1", "mx-central-1", "us-gov-east-1", "us-iso-west-1", "us-isob-east-1"),
]


@pytest.mark.parametrize("region", REGIONS)
def test_each_partitions_regions_are_taken(region: str) -> None:
    parsed = parse_inputs(
        kubernaut_aws.set_desired_capacity.inputs_model, {"region": region, "group": "a", "desired": 1}
    )
    assert parsed.model_dump()["region"] == region


def test_every_region_that_botocore_knows_is_taken() -> None:
    session = botocore.session.get_session()
    known = {
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions("ec2", partition)
    }
    for region in known:
        parse_inputs(kubernaut_aws.set_desired_capacity.inputs_model, {"region": region, "group": "a", "desired": 1})
    assert len(known) > 30


def test_setting_a_number_again_does_no_harm_so_it_is_tried_again(
    action: Any, account: Any, group: str, between: Between
) -> None:
    between.answers = [(0, ""), (503, "ServiceUnavailable"), (400, "ScalingActivityInProgress")]
    ended = capacity(action, group, 3, ACTION_RETRIES="3")

    assert (ended.code, between.asked) == (0, 4), ended.stderr
    assert ended.document["record"]["attempt"] == 3


def test_the_deadline_is_told_as_such_and_not_as_a_broken_connection(
    action: Any, account: Any, group: str, between: Between
) -> None:
    between.answers = [(0, "wait")]
    ended = capacity(action, group, 3, ACTION_TIMEOUT="6s", ACTION_RETRIES="3")

    assert (ended.code, ended.results["status"], ended.results["changed"]) == (124, "timed_out", "unknown")


def test_a_dry_run_tells_what_later_steps_take(action: Any, account: Any) -> None:
    ec2 = account[0]
    instance = ec2.run_instances(ImageId=IMAGE, InstanceType="t3.small", MinCount=1, MaxCount=1)["Instances"][0]
    inputs = {"region": REGION, "instance_ids": [instance["InstanceId"]]}
    ended = action.run("run", "aws/reboot_instances", ACTION_INPUTS=json.dumps(inputs), ACTION_DRY_RUN="true")

    assert ended.document["status"] == "planned"
    assert json.loads(ended.results["output"]) == {"count": 1, "instance_ids": [instance["InstanceId"]]}


def test_undo_sets_the_number_back(action: Any, account: Any, group: str, tmp_path: Any) -> None:
    change = tmp_path / "change.json"
    change.write_text(json.dumps(capacity(action, group, 4).document["change"]))
    inputs = {"region": REGION, "group": group, "desired": 4}
    ended = action.run("undo", "aws/set_desired_capacity", "--change", str(change), ACTION_INPUTS=json.dumps(inputs))
    found = account[1].describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"][0]

    assert (ended.code, found["DesiredCapacity"]) == (0, 2), ended.stderr


def test_looking_an_action_up_imports_no_boto3() -> None:
    code = "import kubernaut_aws, sys; sys.exit(any(name.startswith('boto') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
