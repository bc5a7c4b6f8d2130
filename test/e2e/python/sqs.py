"""The SQS scenario with boto3: today's, which speaks awsJson, and one from before 2023, which speaks the query protocol."""
import sys
import threading
import time

import boto3
import botocore

sqs = boto3.client("sqs")
tag = sys.argv[1]


def check(condition, what):
    if not condition:
        raise SystemExit(f"not so: {what}")


queue = sqs.create_queue(QueueName=f"e2e-{tag}", Attributes={"VisibilityTimeout": "30"}, tags={"team": "e2e"})["QueueUrl"]
check(sqs.get_queue_url(QueueName=f"e2e-{tag}")["QueueUrl"] == queue, "the queue's URL is found by its name")
check(queue in sqs.list_queues(QueueNamePrefix=f"e2e-{tag}")["QueueUrls"], "the queue is listed")
check(sqs.list_queue_tags(QueueUrl=queue)["Tags"] == {"team": "e2e"}, "the queue has its tags")

attributes = {
    "text": {"DataType": "String", "StringValue": "ünïcødé"},
    "number": {"DataType": "Number.int", "StringValue": "42"},
    "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\x01\xff"},
}
sent = sqs.send_message(QueueUrl=queue, MessageBody="hello & <goodbye>", MessageAttributes=attributes)  # boto3 checks the MD5s
got = sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"], AttributeNames=["All"])["Messages"]
check(len(got) == 1 and got[0]["Body"] == "hello & <goodbye>", "the message arrives as it was sent")
check(got[0]["MessageId"] == sent["MessageId"], "under its id")
check(got[0]["MessageAttributes"]["bytes"]["BinaryValue"] == b"\x00\x01\xff", "with its attributes")
check(got[0]["MessageAttributes"]["text"]["StringValue"] == "ünïcødé", "in every script")
check(got[0]["Attributes"]["ApproximateReceiveCount"] == "1", "received once")
sqs.change_message_visibility(QueueUrl=queue, ReceiptHandle=got[0]["ReceiptHandle"], VisibilityTimeout=0)
again = sqs.receive_message(QueueUrl=queue, AttributeNames=["ApproximateReceiveCount"])["Messages"]
check(again[0]["Attributes"] == {"ApproximateReceiveCount": "2"}, "received twice once it is visible again")
sqs.delete_message(QueueUrl=queue, ReceiptHandle=again[0]["ReceiptHandle"])
check("Messages" not in sqs.receive_message(QueueUrl=queue), "deleted is gone")

batch = sqs.send_message_batch(QueueUrl=queue, Entries=[{"Id": str(i), "MessageBody": f"m{i}"} for i in range(10)])
check(len(batch["Successful"]) == 10 and not batch.get("Failed"), "ten are sent at once")
seen = set()
while len(seen) < 10:
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=2).get("Messages")
    check(messages, f"the rest of the batch arrives after {sorted(seen)}")
    seen |= {m["Body"] for m in messages}
    done = sqs.delete_message_batch(QueueUrl=queue, Entries=[{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(messages)])
    check(len(done["Successful"]) == len(messages), "they are deleted at once")
try:
    sqs.send_message_batch(QueueUrl=queue, Entries=[{"Id": "same", "MessageBody": "a"}, {"Id": "same", "MessageBody": "b"}])
    check(False, "two entries with one id are refused")
except botocore.exceptions.ClientError as e:
    check(e.response["Error"]["Code"] == "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", f"by AWS's code, not {e.response['Error']}")
    check(e.response["ResponseMetadata"]["HTTPStatusCode"] == 400, "with AWS's status")

fifo = sqs.create_queue(QueueName=f"e2e-{tag}.fifo", Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"})["QueueUrl"]
for body in ["one", "two", "two", "three"]:
    sqs.send_message(QueueUrl=fifo, MessageBody=body, MessageGroupId="g")
ordered = sqs.receive_message(QueueUrl=fifo, MaxNumberOfMessages=10)["Messages"]
check([m["Body"] for m in ordered] == ["one", "two", "three"], "a FIFO queue keeps order and drops what it has")
sqs.delete_queue(QueueUrl=fifo)

threading.Timer(0.3, lambda: sqs.send_message(QueueUrl=queue, MessageBody="woken")).start()
begin = time.time()
woken = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10).get("Messages", [])
check([m["Body"] for m in woken] == ["woken"] and time.time() - begin < 5, "a long poll is woken by the message")

sqs.purge_queue(QueueUrl=queue)
sqs.delete_queue(QueueUrl=queue)
try:
    sqs.get_queue_url(QueueName=f"e2e-{tag}")
    check(False, "a deleted queue is gone")
except sqs.exceptions.QueueDoesNotExist as e:
    check(e.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue", f"by AWS's code, not {e.response['Error']}")
print("ok: boto3", boto3.__version__)
