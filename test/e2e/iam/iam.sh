#!/usr/bin/env bash
# IAM with the AWS CLI: a user that may do one thing, a role it assumes by its profile, and keys that end.
set -euo pipefail
export AWS_CONFIG_FILE=$(mktemp) AWS_SHARED_CREDENTIALS_FILE=/dev/null
trap 'rm -f "$AWS_CONFIG_FILE"' EXIT
aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" --output json "$@"; }
as() { local profile=$1; shift; env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY aws --endpoint-url "$AWS_ENDPOINT_URL" --output text --profile "$profile" "$@"; }
say() { echo "not so: $1" >&2; exit 1; }
denied() { local want=$1 got; shift; if got=$("$@" 2>&1); then say "$* is denied: $got"; fi; grep -q "$want" <<<"$got" || say "denied by $want: $got"; }
queue=$(aws sqs create-queue --queue-name orders --query QueueUrl --output text)
arn=$(aws iam create-user --user-name bob --query User.Arn --output text)
read -r id secret < <(aws iam create-access-key --user-name bob --query '[AccessKey.AccessKeyId,AccessKey.SecretAccessKey]' --output text)
role=$(aws iam create-role --role-name sender --query Role.Arn --output text --assume-role-policy-document \
  '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"'"$arn"'"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"e2e"}}}]}')
aws iam put-role-policy --role-name sender --policy-name send --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"arn:aws:sqs:us-east-1:000000000000:orders"}]}'
cat >"$AWS_CONFIG_FILE" <<CONFIG
[profile bob]
region = us-east-1
aws_access_key_id = $id
aws_secret_access_key = $secret
[profile sender]
region = us-east-1
role_arn = $role
source_profile = bob
external_id = e2e
role_session_name = from-the-cli
endpoint_url = $AWS_ENDPOINT_URL
[profile stranger]
region = us-east-1
role_arn = $role
source_profile = bob
endpoint_url = $AWS_ENDPOINT_URL
CONFIG
[ "$(as bob sts get-caller-identity --query Arn)" = "$arn" ] || say "bob is bob"
denied 'because no identity-based policy allows the sqs:sendmessage action' as bob sqs send-message --queue-url "$queue" --message-body x
as sender sqs send-message --queue-url "$queue" --message-body x >/dev/null || say "the role sends"
[[ $(as sender sts get-caller-identity --query Arn) == arn:aws:sts::000000000000:assumed-role/sender/from-the-cli ]] || say "the role's session is named"
denied 'sqs:purgequeue' as sender sqs purge-queue --queue-url "$queue"
denied 'not authorized to perform: sts:AssumeRole' as stranger sqs send-message --queue-url "$queue" --message-body x
aws iam simulate-principal-policy --policy-source-arn "$role" --action-names sqs:SendMessage sqs:PurgeQueue --resource-arns arn:aws:sqs:us-east-1:000000000000:orders \
  --query 'EvaluationResults[].EvalDecision' --output text | grep -q 'allowed.*implicitDeny' || say "the simulator says the same"
aws iam delete-access-key --user-name bob --access-key-id "$id"
denied 'InvalidClientTokenId' as bob sts get-caller-identity
denied 'SignatureDoesNotMatch' env AWS_SECRET_ACCESS_KEY=guess aws --endpoint-url "$AWS_ENDPOINT_URL" iam list-users
denied 'takes only access keys that it made' env AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test aws --endpoint-url "$AWS_ENDPOINT_URL" iam list-users
echo "ok: AWS CLI with IAM"
