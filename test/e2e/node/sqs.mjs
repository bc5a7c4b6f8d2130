// The SQS scenario with the AWS SDK for JavaScript v3.
import assert from "node:assert/strict";
import {
  SQSClient, CreateQueueCommand, GetQueueUrlCommand, ListQueuesCommand, SendMessageCommand, ReceiveMessageCommand,
  ChangeMessageVisibilityCommand, DeleteMessageCommand, SendMessageBatchCommand, DeleteMessageBatchCommand, DeleteQueueCommand,
  PurgeQueueCommand, ListQueueTagsCommand, QueueDoesNotExist, BatchEntryIdsNotDistinct,
} from "@aws-sdk/client-sqs";

const sqs = new SQSClient({});
const tag = process.argv[2];
const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: `e2e-${tag}`, tags: { team: "e2e" } }));
assert.equal((await sqs.send(new GetQueueUrlCommand({ QueueName: `e2e-${tag}` }))).QueueUrl, QueueUrl);
assert.ok((await sqs.send(new ListQueuesCommand({}))).QueueUrls.includes(QueueUrl));
assert.deepEqual((await sqs.send(new ListQueueTagsCommand({ QueueUrl }))).Tags, { team: "e2e" });

await sqs.send(new SendMessageCommand({
  QueueUrl, MessageBody: "hello & <goodbye>",
  MessageAttributes: {
    text: { DataType: "String", StringValue: "ünïcødé" },
    bytes: { DataType: "Binary", BinaryValue: new Uint8Array([0, 1, 255]) },
  },
}));
const receive = async (queue, more = {}) =>
  (await sqs.send(new ReceiveMessageCommand({ QueueUrl: queue, MessageSystemAttributeNames: ["All"], MessageAttributeNames: ["All"], ...more }))).Messages ?? [];
let [m] = await receive(QueueUrl);
assert.equal(m.Body, "hello & <goodbye>");
assert.deepEqual([...m.MessageAttributes.bytes.BinaryValue], [0, 1, 255]);
await sqs.send(new ChangeMessageVisibilityCommand({ QueueUrl, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: 0 }));
[m] = await receive(QueueUrl);
assert.equal(m.Attributes.ApproximateReceiveCount, "2");
await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle: m.ReceiptHandle }));
assert.deepEqual(await receive(QueueUrl), []);

const batch = await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries: [...Array(10).keys()].map((i) => ({ Id: `${i}`, MessageBody: `m${i}` })) }));
assert.equal(batch.Successful.length, 10);
const seen = new Set();
while (seen.size < 10) {
  const got = await receive(QueueUrl, { MaxNumberOfMessages: 10, WaitTimeSeconds: 2 });
  assert.ok(got.length > 0);
  got.forEach((g) => seen.add(g.Body));
  await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries: got.map((g, i) => ({ Id: `${i}`, ReceiptHandle: g.ReceiptHandle })) }));
}
await assert.rejects(
  sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries: [{ Id: "same", MessageBody: "a" }, { Id: "same", MessageBody: "b" }] })),
  (e) => e instanceof BatchEntryIdsNotDistinct);

const fifo = (await sqs.send(new CreateQueueCommand({ QueueName: `e2e-${tag}.fifo`, Attributes: { FifoQueue: "true", ContentBasedDeduplication: "true" } }))).QueueUrl;
for (const body of ["one", "two", "two", "three"]) await sqs.send(new SendMessageCommand({ QueueUrl: fifo, MessageBody: body, MessageGroupId: "g" }));
assert.deepEqual((await receive(fifo, { MaxNumberOfMessages: 10 })).map((x) => x.Body), ["one", "two", "three"]);
await sqs.send(new DeleteQueueCommand({ QueueUrl: fifo }));

setTimeout(() => sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "woken" })), 300);
assert.deepEqual((await receive(QueueUrl, { WaitTimeSeconds: 10 })).map((x) => x.Body), ["woken"]);
await sqs.send(new PurgeQueueCommand({ QueueUrl }));
await sqs.send(new DeleteQueueCommand({ QueueUrl }));
await assert.rejects(sqs.send(new GetQueueUrlCommand({ QueueName: `e2e-${tag}` })), (e) => e instanceof QueueDoesNotExist);
console.log("ok: JavaScript SDK v3");
