"""The AWS account that conformance.yaml speaks of: made anew (`setup URL`), or printed (`state URL`)."""

import json
import sys
import urllib.request

import boto3

verb, url = sys.argv[1:]
KEYS = {
    "endpoint_url": url,
    "region_name": "eu-central-1",
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
}
ec2, autoscaling = boto3.client("ec2", **KEYS), boto3.client("autoscaling", **KEYS)

if verb == "setup":
    urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", method="POST")).close()  # noqa: S310 – loopback
    image = ec2.describe_images()["Images"][0]["ImageId"]
    zone = ec2.describe_availability_zones()["AvailabilityZones"][0]["ZoneName"]
    instance = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    autoscaling.create_launch_configuration(LaunchConfigurationName="workers", ImageId=image, InstanceType="t3.micro")
    autoscaling.create_auto_scaling_group(
        AutoScalingGroupName="workers",
        LaunchConfigurationName="workers",
        MinSize=1,
        MaxSize=8,
        DesiredCapacity=2,
        AvailabilityZones=[zone],
    )
    print(json.dumps({"instance": instance}))
else:
    print([group["DesiredCapacity"] for group in autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]])
