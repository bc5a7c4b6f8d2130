"""IAM and STS with boto3."""
import base64
import hashlib
import hmac
import json
import struct
import time

import boto3
from botocore.exceptions import ClientError

iam, sts = boto3.client("iam"), boto3.client("sts")


def check(condition, what):
    if not condition:
        raise SystemExit(f"not so: {what}")


def code(call, **arguments):
    try:
        call(**arguments)
    except ClientError as e:
        return e.response["Error"]["Code"]
    return ""


def client(service, key):
    return boto3.client(service, aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"], aws_session_token=key.get("SessionToken"))


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def totp(seed, step):
    digest = hmac.new(base64.b32decode(seed), struct.pack(">Q", step), hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7FFFFFFF) % 10**6:06d}"


queue = boto3.client("sqs").create_queue(QueueName="boto")["QueueUrl"]
user = iam.create_user(UserName="carol", Path="/team/", Tags=[{"Key": "team", "Value": "a"}])["User"]
check(user["Arn"] == "arn:aws:iam::000000000000:user/team/carol" and user["UserId"].startswith("AIDA"), "the user is there")
key = iam.create_access_key(UserName="carol")["AccessKey"]
carol = client("sqs", key)
check(code(carol.send_message, QueueUrl=queue, MessageBody="x") == "AccessDenied", "nothing is allowed")
made = iam.create_policy(PolicyName="send", PolicyDocument=policy({"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*", "Condition": {"StringEquals": {"aws:PrincipalTag/team": "a"}}}))
iam.attach_user_policy(UserName="carol", PolicyArn=made["Policy"]["Arn"])
carol.send_message(QueueUrl=queue, MessageBody="x")
iam.tag_user(UserName="carol", Tags=[{"Key": "team", "Value": "b"}])
check(code(carol.send_message, QueueUrl=queue, MessageBody="x") == "AccessDenied", "a tag takes it away at once")

# A role that wants a second factor.
device = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone")["VirtualMFADevice"]
seed, step = device["Base32StringSeed"].decode(), int(time.time()) // 30
iam.enable_mfa_device(UserName="carol", SerialNumber=device["SerialNumber"], AuthenticationCode1=totp(seed, step - 1), AuthenticationCode2=totp(seed, step))
role = iam.create_role(RoleName="careful", AssumeRolePolicyDocument=policy({"Effect": "Allow", "Principal": {"AWS": user["Arn"]}, "Action": ["sts:AssumeRole", "sts:TagSession"], "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}))["Role"]
iam.put_role_policy(RoleName="careful", PolicyName="all", PolicyDocument=policy({"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}))
as_carol = client("sts", key)
check(code(as_carol.assume_role, RoleArn=role["Arn"], RoleSessionName="boto") == "AccessDenied", "without a code the role is not assumed")
check(code(as_carol.assume_role, RoleArn=role["Arn"], RoleSessionName="boto", SerialNumber=device["SerialNumber"], TokenCode="000000") == "AccessDenied", "nor with a wrong one")
session = as_carol.assume_role(
    RoleArn=role["Arn"], RoleSessionName="boto", SerialNumber=device["SerialNumber"], TokenCode=totp(seed, step + 1), DurationSeconds=900,
    Policy=policy({"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}), Tags=[{"Key": "job", "Value": "1"}])
limited = client("sqs", session["Credentials"])
limited.send_message(QueueUrl=queue, MessageBody="x")
check(code(limited.receive_message, QueueUrl=queue) == "AccessDenied", "the session's policy limits the role")
check(client("sts", session["Credentials"]).get_caller_identity()["Arn"] == "arn:aws:sts::000000000000:assumed-role/careful/boto", "the session has its name")
altered = dict(session["Credentials"], SessionToken=session["Credentials"]["SessionToken"][:-8] + "AAAAAAA=")
check(code(client("sqs", altered).send_message, QueueUrl=queue, MessageBody="x") == "InvalidClientTokenId", "an altered token is refused")
federated = as_carol.get_session_token(DurationSeconds=900)["Credentials"]
check(code(client("iam", federated).list_users) == "InvalidClientTokenId", "IAM wants more than a session token")
check(sts.get_access_key_info(AccessKeyId=key["AccessKeyId"])["Account"] == "000000000000", "a key says its account")

names = [p["PolicyName"] for page in iam.get_paginator("list_policies").paginate(Scope="AWS", PaginationConfig={"PageSize": 100}) for p in page["Policies"]]
check("AdministratorAccess" in names and len(names) == len(set(names)) > 500, "AWS's policies are listed")
details = [u for page in iam.get_paginator("get_account_authorization_details").paginate() for u in page["UserDetailList"]]
check([u["UserName"] for u in details] == ["carol"], "the account's details are told")
check(code(iam.delete_user, UserName="carol") == "DeleteConflict", "a user that has something stays")
print("ok: boto3 with IAM")
