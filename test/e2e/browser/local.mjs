// A page of an application under development: the AWS SDK for JavaScript in a browser, as users bundle it.
import {
  SQSClient, CreateQueueCommand, SendMessageCommand, ReceiveMessageCommand, GetQueueUrlCommand, QueueDoesNotExist,
} from "@aws-sdk/client-sqs";

const endpoint = new URLSearchParams(location.search).get("endpoint");
const sqs = new SQSClient({ endpoint, region: "us-east-1", credentials: { accessKeyId: "test", secretAccessKey: "test" } });
const found = {};
try {
  const { QueueUrl, $metadata } = await sqs.send(new CreateQueueCommand({ QueueName: "from-a-page" }));
  found.requestId = $metadata.requestId;
  await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "hello from a page" }));
  const { Messages } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 5 }));
  found.received = Messages?.[0]?.Body;
  await sqs.send(new GetQueueUrlCommand({ QueueName: "no-such-queue" })).catch((e) => {
    found.refusal = e instanceof QueueDoesNotExist ? "QueueDoesNotExist" : String(e);
  });
} catch (e) {
  found.error = String(e);
}
await fetch("/report", { method: "POST", body: JSON.stringify(found) });
