#!/usr/bin/env bash
# The SQS scenario with the AWS CLI.
set -euo pipefail
tag=$1
# Version 1 of the CLI takes the endpoint of SQS from this option only.
aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" --output json "$@"; }
say() { echo "not so: $1" >&2; exit 1; }
queue=$(aws sqs create-queue --queue-name "e2e-$tag" --tags team=e2e --query QueueUrl --output text)
[ "$(aws sqs get-queue-url --queue-name "e2e-$tag" --query QueueUrl --output text)" = "$queue" ] || say "the URL is found"
aws sqs send-message --queue-url "$queue" --message-body 'hello & <goodbye>' --message-attributes 'text={DataType=String,StringValue=here}' >/dev/null
got=$(aws sqs receive-message --queue-url "$queue" --attribute-names All --message-attribute-names All)
echo "$got" | grep -qF 'hello & <goodbye>' || say "the message arrives: $got"
handle=$(echo "$got" | python3 -c 'import json,sys; print(json.load(sys.stdin)["Messages"][0]["ReceiptHandle"])')
aws sqs change-message-visibility --queue-url "$queue" --receipt-handle "$handle" --visibility-timeout 0
got=$(aws sqs receive-message --queue-url "$queue" --attribute-names All)
echo "$got" | grep -q '"ApproximateReceiveCount": "2"' || say "it comes back: $got"
handle=$(echo "$got" | python3 -c 'import json,sys; print(json.load(sys.stdin)["Messages"][0]["ReceiptHandle"])')
aws sqs delete-message --queue-url "$queue" --receipt-handle "$handle"
[ -z "$(aws sqs receive-message --queue-url "$queue")" ] || say "deleted is gone"
aws sqs send-message-batch --queue-url "$queue" --entries 'Id=a,MessageBody=1' 'Id=b,MessageBody=2' | grep -q '"Id": "b"' || say "a batch is sent"
count=$(aws sqs get-queue-attributes --queue-url "$queue" --attribute-names All --query Attributes.ApproximateNumberOfMessages --output text)
[ "$count" = 2 ] || say "two messages wait, not $count"
aws sqs delete-queue --queue-url "$queue"
if error=$(aws sqs get-queue-url --queue-name "e2e-$tag" 2>&1); then say "a deleted queue is gone"; fi
echo "$error" | grep -q 'AWS.SimpleQueueService.NonExistentQueue' || say "by AWS's code: $error"
echo "ok: AWS CLI"
