"""Testcontainers for Python: a generic container of our image, and the LocalStack module as it is with our image in it."""
import os
import urllib.request

import boto3
from testcontainers.core.container import DockerContainer
from testcontainers.core.waiting_utils import wait_for_logs
from testcontainers.localstack import LocalStackContainer

image = os.environ["OBIDOS_IMAGE"]


def play(sqs):
    queue = sqs.create_queue(QueueName="homes")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="hello")
    got = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    assert [m["Body"] for m in got] == ["hello"], got
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=got[0]["ReceiptHandle"])
    sqs.delete_queue(QueueUrl=queue)


with DockerContainer(image).with_exposed_ports(4566) as plain:
    wait_for_logs(plain, "Ready.", timeout=60)
    url = f"http://{plain.get_container_host_ip()}:{plain.get_exposed_port(4566)}"
    play(boto3.client("sqs", endpoint_url=url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"))
    status = plain.exec(["obidos", "clock", "advance", "1h"])
    assert status.exit_code == 0, status

with LocalStackContainer(image=image).with_services("sqs") as module:
    play(module.get_client("sqs"))
    with urllib.request.urlopen(module.get_url() + "/_localstack/health") as answer:
        assert answer.status == 200
