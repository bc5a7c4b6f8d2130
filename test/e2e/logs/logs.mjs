// CloudWatch Logs with the AWS SDK for JavaScript v3.
import assert from "node:assert/strict";
import {
  CloudWatchLogsClient, CreateLogGroupCommand, CreateLogStreamCommand, PutLogEventsCommand, StartLiveTailCommand, StartQueryCommand, GetQueryResultsCommand,
  DescribeLogGroupsCommand, DeleteLogGroupCommand, ResourceAlreadyExistsException, ResourceNotFoundException, paginateFilterLogEvents, paginateDescribeLogGroups,
} from "@aws-sdk/client-cloudwatch-logs";

const logs = new CloudWatchLogsClient({ disableHostPrefix: true });
const logGroupName = "/node", logStreamName = "one";
const put = (...messages) => logs.send(new PutLogEventsCommand({ logGroupName, logStreamName, logEvents: messages.map((message) => ({ timestamp: Date.now(), message })) }));
await assert.rejects(put("x"), ResourceNotFoundException);
await logs.send(new CreateLogGroupCommand({ logGroupName, tags: { team: "e2e" } }));
await assert.rejects(logs.send(new CreateLogGroupCommand({ logGroupName })), ResourceAlreadyExistsException);
await logs.send(new CreateLogStreamCommand({ logGroupName, logStreamName }));
for (let i = 0; i < 5; i++) await put(`event ${i} – ünïcode 🙀`);
const found = [];
let pages = 0;
for await (const page of paginateFilterLogEvents({ client: logs, pageSize: 2 }, { logGroupName, filterPattern: "event" })) {
  pages++;
  found.push(...page.events.map((e) => e.message));
}
assert.ok(pages > 1);
assert.deepEqual(found, [0, 1, 2, 3, 4].map((i) => `event ${i} – ünïcode 🙀`));
for await (const page of paginateDescribeLogGroups({ client: logs }, { logGroupNamePrefix: "/node" })) assert.equal(page.logGroups[0].logGroupName, "/node");

const seconds = Math.floor(Date.now() / 1000);
const { queryId } = await logs.send(new StartQueryCommand({ logGroupName, startTime: seconds - 60, endTime: seconds + 60, queryString: "fields @message | sort @timestamp desc | limit 1" }));
let answer;
do answer = await logs.send(new GetQueryResultsCommand({ queryId })); while (answer.status !== "Complete");
assert.equal(answer.results[0].find((f) => f.field === "@message").value, "event 4 – ünïcode 🙀");

const { logGroups } = await logs.send(new DescribeLogGroupsCommand({ logGroupNamePrefix: logGroupName }));
const { responseStream } = await logs.send(new StartLiveTailCommand({ logGroupIdentifiers: [logGroups[0].logGroupArn] }));
for await (const event of responseStream) {
  if (event.sessionStart) await put("live");
  if (event.sessionUpdate?.sessionResults.length) {
    assert.equal(event.sessionUpdate.sessionResults[0].message, "live");
    break;
  }
}
await logs.send(new DeleteLogGroupCommand({ logGroupName }));
console.log("ok: JavaScript with logs");
process.exit(0); // the stream's connection is still open
