# The SQS scenario with Terraform: made, read back without a difference, changed, destroyed.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "endpoint" { type = string }
variable "tag" { type = string }
variable "delay" { default = 0 }

provider "aws" {
  region                      = "us-east-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_metadata_api_check     = true
  skip_region_validation      = true
  endpoints {
    sqs = var.endpoint
    sts = var.endpoint
  }
}

resource "aws_sqs_queue" "dead" {
  name = "e2e-${var.tag}-dead"
}

resource "aws_sqs_queue" "orders" {
  name                       = "e2e-${var.tag}"
  delay_seconds              = var.delay
  visibility_timeout_seconds = 45
  redrive_policy             = jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead.arn, maxReceiveCount = 4 })
  tags                       = { team = "e2e" }
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  queue_url            = aws_sqs_queue.dead.id
  redrive_allow_policy = jsonencode({ redrivePermission = "byQueue", sourceQueueArns = [aws_sqs_queue.orders.arn] })
}

resource "aws_sqs_queue_policy" "orders" {
  queue_url = aws_sqs_queue.orders.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "sns.amazonaws.com" }, Action = "sqs:SendMessage", Resource = aws_sqs_queue.orders.arn }]
  })
}

resource "aws_sqs_queue" "fifo" {
  name                        = "e2e-${var.tag}.fifo"
  fifo_queue                  = true
  content_based_deduplication = true
  deduplication_scope         = "messageGroup"
  fifo_throughput_limit       = "perMessageGroupId"
}

output "arn" { value = aws_sqs_queue.orders.arn }
