// IAM and STS with the AWS SDK for JavaScript v3.
import assert from "node:assert/strict";
import { IAMClient, CreateUserCommand, CreateAccessKeyCommand, CreateRoleCommand, PutRolePolicyCommand, GetRoleCommand, DeleteRoleCommand, DeleteConflictException } from "@aws-sdk/client-iam";
import { SQSClient, CreateQueueCommand, SendMessageCommand } from "@aws-sdk/client-sqs";
import { STSClient, GetCallerIdentityCommand } from "@aws-sdk/client-sts";
import { fromTemporaryCredentials } from "@aws-sdk/credential-providers";

const iam = new IAMClient({});
const policy = (...Statement) => JSON.stringify({ Version: "2012-10-17", Statement });
const { QueueUrl } = await new SQSClient({}).send(new CreateQueueCommand({ QueueName: "node" }));
const { User } = await iam.send(new CreateUserCommand({ UserName: "dora" }));
const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: "dora" }));
const credentials = { accessKeyId: AccessKey.AccessKeyId, secretAccessKey: AccessKey.SecretAccessKey };
const { Role } = await iam.send(new CreateRoleCommand({
  RoleName: "node-sender", AssumeRolePolicyDocument: policy({ Effect: "Allow", Principal: { AWS: User.Arn }, Action: "sts:AssumeRole" }),
}));
await iam.send(new PutRolePolicyCommand({ RoleName: "node-sender", PolicyName: "send", PolicyDocument: policy({ Effect: "Allow", Action: "sqs:SendMessage", Resource: "*" }) }));
const send = (client) => client.send(new SendMessageCommand({ QueueUrl, MessageBody: "x" }));
await assert.rejects(send(new SQSClient({ credentials })), (e) => e.name === "AccessDenied" && e.message.includes("no identity-based policy"));
const assumed = fromTemporaryCredentials({
  masterCredentials: credentials, params: { RoleArn: Role.Arn, RoleSessionName: "node" }, clientConfig: { endpoint: process.env.AWS_ENDPOINT_URL, region: "us-east-1" },
});
assert.ok((await send(new SQSClient({ credentials: assumed }))).MessageId);
assert.match((await new STSClient({ credentials: assumed }).send(new GetCallerIdentityCommand({}))).Arn, /:assumed-role\/node-sender\/node$/);
assert.equal(JSON.parse(decodeURIComponent((await iam.send(new GetRoleCommand({ RoleName: "node-sender" }))).Role.AssumeRolePolicyDocument)).Version, "2012-10-17");
await assert.rejects(iam.send(new DeleteRoleCommand({ RoleName: "node-sender" })), DeleteConflictException);
console.log("ok: JavaScript with IAM");
