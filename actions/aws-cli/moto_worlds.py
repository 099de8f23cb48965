"""The account that each action is tried in, made on moto: `WORLDS[action type](clients)` returns what is named in it.

Used by `conformance.yaml` (through `moto_extended.py`) and by the tests.
"""

import io
import json
import time
import urllib.request
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3

__all__ = ["REGION", "WORLDS", "Clients", "state_of"]

REGION = "eu-central-1"
IMAGE = "ami-00000000000000000"  # no machine is started from it
Names = dict[str, str]


class Clients:
    """boto3's clients of one moto server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._made: dict[str, Any] = {}

    def __getattr__(self, service: str) -> Any:
        if service.startswith("_"):
            raise AttributeError(service)
        name = {"lambda_": "lambda"}.get(service, service)
        if name not in self._made:
            keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y"}
            options = {"endpoint_url": self.url, "region_name": REGION}
            self._made[name] = boto3.client(name, **keys, **options)
        return self._made[name]

    def reset(self) -> None:
        """Empty the account."""
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")).close()  # noqa: S310


def instances(aws: Clients, number: int = 1, **more: Any) -> list[str]:
    """Start instances and return their ids."""
    ran = aws.ec2.run_instances(ImageId=IMAGE, InstanceType="t3.micro", MinCount=number, MaxCount=number, **more)
    return [item["InstanceId"] for item in ran["Instances"]]


def group(aws: Clients, desired: int = 2) -> list[str]:
    """Make the Auto Scaling group `workers` of 1 to 8, and return its instances."""
    kind = {"ImageId": IMAGE, "InstanceType": "t3.micro"}
    aws.autoscaling.create_launch_configuration(LaunchConfigurationName="workers", **kind)
    aws.autoscaling.create_auto_scaling_group(
        AutoScalingGroupName="workers",
        LaunchConfigurationName="workers",
        MinSize=1,
        MaxSize=8,
        DesiredCapacity=desired,
        AvailabilityZones=[f"{REGION}a"],
    )
    found = aws.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=["workers"])["AutoScalingGroups"][0]
    return [item["InstanceId"] for item in found["Instances"]]


def running(aws: Clients) -> Names:
    """Make one instance that runs."""
    return {"instance": instances(aws)[0]}


def stopped(aws: Clients) -> Names:
    """Make one instance that is stopped."""
    [name] = instances(aws)
    aws.ec2.stop_instances(InstanceIds=[name])
    return {"instance": name}


def workers(aws: Clients) -> Names:
    """Make a group of two."""
    return {"instance": group(aws)[0]}


def standby(aws: Clients) -> Names:
    """Make a group of two, and one more in standby."""
    name = group(aws, 3)[0]
    params = {"AutoScalingGroupName": "workers", "InstanceIds": [name], "ShouldDecrementDesiredCapacity": True}
    aws.autoscaling.enter_standby(**params)
    return {"instance": name}


def isolation(aws: Clients) -> Names:
    """Make an instance with two interfaces, and a group of its VPC that lets nobody in."""
    vpc = aws.ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    subnet = aws.ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"][0]["SubnetId"]
    quarantine = aws.ec2.create_security_group(GroupName="quarantine", Description="nobody", VpcId=vpc)["GroupId"]
    [name] = instances(aws, SubnetId=subnet)
    second = aws.ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    aws.ec2.attach_network_interface(NetworkInterfaceId=second, InstanceId=name, DeviceIndex=1)
    return {"instance": name, "group": quarantine}


def volume(aws: Clients) -> Names:
    """Make a volume of 10 GiB."""
    return {"volume": aws.ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=10)["VolumeId"]}


def database(aws: Clients) -> Names:
    """Make a DB instance."""
    aws.rds.create_db_instance(
        DBInstanceIdentifier="orders",
        DBInstanceClass="db.t3.small",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="u",
        MasterUserPassword="conformance1",
    )
    return {}


def cluster(aws: Clients) -> Names:
    """Make an Aurora cluster of two instances, with a small lag."""
    aws.rds.create_db_cluster(
        DBClusterIdentifier="orders", Engine="aurora-mysql", MasterUsername="u", MasterUserPassword="conformance1"
    )
    for name in ("orders-1", "orders-2"):
        aws.rds.create_db_instance(
            DBInstanceIdentifier=name,
            DBInstanceClass="db.t3.small",
            Engine="aurora-mysql",
            DBClusterIdentifier="orders",
        )
    lag = {"Namespace": "AWS/RDS", "Name": "AuroraReplicaLag"}
    for name in ("orders-1", "orders-2"):
        figure = {
            "MetricName": lag["Name"],
            "Dimensions": [{"Name": "DBInstanceIdentifier", "Value": name}],
            "Value": 20.0,
            "Unit": "Milliseconds",
            "Timestamp": datetime.fromtimestamp(time.time() - 90, UTC),
        }
        aws.cloudwatch.put_metric_data(Namespace=lag["Namespace"], MetricData=[figure])
    return {}


def service(aws: Clients, definition: str = "checkout") -> Names:
    """Make an ECS service of two tasks."""
    aws.ecs.create_cluster(clusterName="shop")
    container = {"name": "main", "image": "checkout:1", "memory": 64}
    aws.ecs.register_task_definition(family=definition, containerDefinitions=[container])
    aws.ecs.create_service(cluster="shop", serviceName="checkout", taskDefinition=definition, desiredCount=2)
    return {}


def nodegroup(aws: Clients) -> Names:
    """Make an EKS node group of 1 to 6, with two nodes."""
    role = "arn:aws:iam::123456789012:role/nodes"
    subnets = [item["SubnetId"] for item in aws.ec2.describe_subnets()["Subnets"]][:2]
    aws.eks.create_cluster(name="shop", roleArn=role, resourcesVpcConfig={"subnetIds": subnets})
    scaling = {"minSize": 1, "maxSize": 6, "desiredSize": 2}
    aws.eks.create_nodegroup(
        clusterName="shop", nodegroupName="workers", scalingConfig=scaling, subnets=subnets, nodeRole=role
    )
    return {}


def function(aws: Clients) -> Names:
    """Make a Lambda function of two versions, and an alias that leads to the second."""
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    role = aws.iam.create_role(RoleName="checkout", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("main.py", "def handler(event, context): return 1\n")
    code = {"ZipFile": archive.getvalue()}
    kind = {"Runtime": "python3.13", "Handler": "main.handler", "Role": role}
    aws.lambda_.create_function(FunctionName="checkout", Code=code, **kind)
    for number in (1, 2):
        aws.lambda_.update_function_configuration(FunctionName="checkout", Description=f"number {number}")
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as files:
            files.writestr("main.py", f"def handler(event, context): return {number}\n")
        aws.lambda_.update_function_code(FunctionName="checkout", ZipFile=archive.getvalue())
        aws.lambda_.publish_version(FunctionName="checkout")
    aws.lambda_.create_alias(FunctionName="checkout", Name="live", FunctionVersion="2")
    return {}


def targets(aws: Clients, number: int = 3) -> Names:
    """Make a target group of a load balancer, with three instances at port 8080."""
    vpc = aws.ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    subnets = [item["SubnetId"] for item in aws.ec2.describe_subnets()["Subnets"]][:2]
    ids = instances(aws, number)
    about = {"Protocol": "HTTP", "Port": 80, "VpcId": vpc, "TargetType": "instance"}
    arn = aws.elbv2.create_target_group(Name="checkout", **about)["TargetGroups"][0]["TargetGroupArn"]
    balancer = aws.elbv2.create_load_balancer(Name="shop", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    action = {"Type": "forward", "TargetGroupArn": arn}
    aws.elbv2.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=[action])
    aws.elbv2.register_targets(TargetGroupArn=arn, Targets=[{"Id": name, "Port": 8080} for name in ids])
    return {"instance": ids[0], "targets": arn}


def new_target(aws: Clients) -> Names:
    """Make that group, and one more instance that is not in it."""
    return {**targets(aws), "instance": instances(aws)[0]}


def zone(aws: Clients) -> Names:
    """Make a hosted zone with a name of two weighted records."""
    made = aws.route53.create_hosted_zone(Name="example.com", CallerReference=str(time.time()))["HostedZone"]["Id"]
    changes = [
        {
            "Action": "CREATE",
            "ResourceRecordSet": {
                "Name": "api.example.com",
                "Type": "A",
                "SetIdentifier": name,
                "Weight": 100,
                "TTL": 30,
                "ResourceRecords": [{"Value": address}],
            },
        }
        for name, address in (("blue", "192.0.2.1"), ("green", "192.0.2.2"))
    ]
    aws.route53.change_resource_record_sets(HostedZoneId=made, ChangeBatch={"Changes": changes})
    return {"zone": made.removeprefix("/hostedzone/")}


def document(aws: Clients, name: str = "Shop-Restart", **step: Any) -> Names:
    """Make an Automation document of one step."""
    first = {"name": "restart", "action": "aws:executeAwsApi", "inputs": {}, **step}
    about = {"schemaVersion": "0.3", "parameters": {"InstanceId": {"type": "String"}}, "mainSteps": [first]}
    aws.ssm.create_document(Content=json.dumps(about), Name=name, DocumentType="Automation", DocumentFormat="JSON")
    return {}


WORLDS: dict[str, Callable[[Clients], Names]] = {
    "aws/create_snapshot": volume,
    "aws/deregister_targets": targets,
    "aws/detach_instance": workers,
    "aws/enter_standby": workers,
    "aws/exit_standby": standby,
    "aws/extend_volume": volume,
    "aws/failover_db_cluster": cluster,
    "aws/isolate_instance": isolation,
    "aws/reboot_db_instance": database,
    "aws/reboot_instances": running,
    "aws/redeploy_ecs_service": service,
    "aws/register_targets": new_target,
    "aws/run_ssm_document": document,
    "aws/scale_ecs_service": service,
    "aws/scale_nodegroup": nodegroup,
    "aws/set_desired_capacity": workers,
    "aws/set_dns_weight": zone,
    "aws/set_lambda_alias": function,
    "aws/set_lambda_concurrency": function,
    "aws/start_instances": stopped,
    "aws/stop_instances": running,
    "aws/terminate_asg_instance": workers,
}


def state_of(aws: Clients) -> dict[str, Any]:
    """Return what the actions can change, of all that is in the account."""
    ec2 = [item for page in aws.ec2.describe_instances()["Reservations"] for item in page["Instances"]]
    groups = aws.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    clusters = aws.rds.describe_db_clusters()["DBClusters"]
    services = aws.ecs.list_clusters()["clusterArns"]
    arns = [item["TargetGroupArn"] for item in aws.elbv2.describe_target_groups()["TargetGroups"]]
    zones = [item["Id"] for item in aws.route53.list_hosted_zones()["HostedZones"]]
    functions = [item["FunctionName"] for item in aws.lambda_.list_functions()["Functions"]]
    return {
        "instances": {item["InstanceId"]: item["State"]["Name"] for item in ec2},
        "interfaces": {
            item["NetworkInterfaceId"]: [known["GroupId"] for known in item["Groups"]]
            for item in aws.ec2.describe_network_interfaces()["NetworkInterfaces"]
        },
        "groups": [
            [item["DesiredCapacity"], sorted((m["InstanceId"], m["LifecycleState"]) for m in item["Instances"])]
            for item in groups
        ],
        "volumes": {item["VolumeId"]: item["Size"] for item in aws.ec2.describe_volumes()["Volumes"]},
        "snapshots": len(aws.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]),
        "writers": [[m["DBInstanceIdentifier"], m["IsClusterWriter"]] for c in clusters for m in c["DBClusterMembers"]],
        "events": len(aws.rds.describe_events(Duration=180)["Events"]),
        "services": [
            [item["desiredCount"], item["deployments"][0]["id"]]
            for name in services
            for item in aws.ecs.describe_services(cluster=name, services=["checkout"])["services"]
        ],
        "nodes": [
            aws.eks.describe_nodegroup(clusterName=name, nodegroupName="workers")["nodegroup"]["scalingConfig"]
            for name in aws.eks.list_clusters()["clusters"]
        ],
        "functions": [
            [
                [[a["FunctionVersion"], a.get("RoutingConfig") or {}] for a in _aliases(aws, name)],
                aws.lambda_.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions"),
            ]
            for name in functions
        ],
        "targets": [
            sorted([item["Target"]["Id"], item["TargetHealth"]["State"]] for item in _targets(aws, arn)) for arn in arns
        ],
        "records": [
            sorted(f"{r['Name']} {r.get('SetIdentifier')} {r.get('Weight')}" for r in _records(aws, name))
            for name in zones
        ],
    }


def _aliases(aws: Clients, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = aws.lambda_.list_aliases(FunctionName=name)["Aliases"]
    return found


def _targets(aws: Clients, arn: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = aws.elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    return found


def _records(aws: Clients, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = aws.route53.list_resource_record_sets(HostedZoneId=name)["ResourceRecordSets"]
    return found
