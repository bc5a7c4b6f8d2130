# IAM with Terraform: made, read back without a difference, changed, destroyed.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "endpoint" { type = string }
variable "tag" { type = string }
variable "delay" { default = 0 } # changes what can be changed

provider "aws" {
  region                  = "us-east-1"
  skip_metadata_api_check = true
  endpoints {
    iam = var.endpoint
    sts = var.endpoint
  }
}

data "aws_caller_identity" "me" {}

resource "aws_iam_user" "worker" {
  name                 = "worker-${var.tag}"
  path                 = "/e2e/"
  permissions_boundary = aws_iam_policy.boundary.arn
  tags                 = { team = "e2e", delay = var.delay }
}

resource "aws_iam_access_key" "worker" {
  user   = aws_iam_user.worker.name
  status = var.delay == 0 ? "Active" : "Inactive"
}

resource "aws_iam_group" "workers" {
  name = "workers-${var.tag}"
  path = "/e2e/"
}

resource "aws_iam_group_membership" "workers" {
  name  = "workers"
  group = aws_iam_group.workers.name
  users = [aws_iam_user.worker.name]
}

data "aws_iam_policy_document" "send" {
  statement {
    sid       = "Send"
    actions   = ["sqs:SendMessage"]
    resources = ["arn:aws:sqs:us-east-1:${data.aws_caller_identity.me.account_id}:orders-${var.delay}"]
    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalTag/team"
      values   = ["e2e"]
    }
  }
}

resource "aws_iam_policy" "send" {
  name        = "send-${var.tag}"
  path        = "/e2e/"
  description = "sends"
  policy      = data.aws_iam_policy_document.send.json
  tags        = { team = "e2e" }
}

resource "aws_iam_policy" "boundary" {
  name   = "boundary-${var.tag}"
  policy = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Action = "sqs:*", Resource = "*" }] })
}

resource "aws_iam_group_policy_attachment" "send" {
  group      = aws_iam_group.workers.name
  policy_arn = aws_iam_policy.send.arn
}

resource "aws_iam_user_policy_attachment" "aws" {
  user       = aws_iam_user.worker.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"
}

resource "aws_iam_user_policy" "inline" {
  name   = "inline"
  user   = aws_iam_user.worker.name
  policy = data.aws_iam_policy_document.send.json
}

resource "aws_iam_group_policy" "inline" {
  name   = "inline"
  group  = aws_iam_group.workers.name
  policy = data.aws_iam_policy_document.send.json
}

resource "aws_iam_role" "job" {
  name                 = "job-${var.tag}"
  description          = "does the job ${var.delay}"
  max_session_duration = 3600 + 60 * var.delay
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Effect = "Allow", Action = "sts:AssumeRole", Principal = { AWS = aws_iam_user.worker.arn } },
      { Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } },
    ]
  })
  tags = { team = "e2e" }
}

resource "aws_iam_role_policy" "inline" {
  name   = "inline"
  role   = aws_iam_role.job.id
  policy = data.aws_iam_policy_document.send.json
}

resource "aws_iam_role_policy_attachment" "basic" {
  role       = aws_iam_role.job.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}

resource "aws_iam_instance_profile" "job" {
  name = "job-${var.tag}"
  role = aws_iam_role.job.name
}

resource "aws_iam_service_linked_role" "ecs" {
  aws_service_name = "ecs.amazonaws.com"
}

resource "aws_iam_openid_connect_provider" "ci" {
  url             = "https://ci-${var.tag}.example.com"
  client_id_list  = ["sts.amazonaws.com"]
  thumbprint_list = ["cf23df2207d99a74fbe169e3eba035e633b65d94"]
}

resource "aws_iam_account_password_policy" "strict" {
  minimum_password_length        = 12 + var.delay
  require_lowercase_characters   = true
  require_numbers                = true
  require_uppercase_characters   = true
  require_symbols                = true
  allow_users_to_change_password = true
}

resource "aws_iam_account_alias" "alias" { account_alias = "e2e-${var.tag}" }

resource "aws_iam_virtual_mfa_device" "phone" { virtual_mfa_device_name = "phone-${var.tag}" }

data "aws_iam_role" "job" { name = aws_iam_role.job.name }
data "aws_iam_policy" "aws" { arn = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess" }

output "arn" { value = data.aws_iam_role.job.arn }
