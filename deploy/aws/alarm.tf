# An alarm for trust policies that somebody else writes. IAM's events are delivered in one Region of the partition only,
# so the module's provider has to be in that Region.

variable "alarm_email" {
  type        = string
  default     = ""
  description = "Address that is told when somebody else than samlfailover writes a trust policy. Empty: subscribe to the topic yourself."
}

data "aws_region" "current" {}

resource "aws_sns_topic" "trust_writes" {
  name = "samlfailover-trust-writes"

  lifecycle {
    precondition {
      condition     = contains(["us-east-1", "us-gov-west-1", "cn-north-1"], data.aws_region.current.name)
      error_message = "IAM's events are delivered in us-east-1 (us-gov-west-1, cn-north-1) only: give this module a provider there."
    }
  }
}

data "aws_iam_policy_document" "trust_writes" {
  statement {
    sid       = "EventsMayPublish"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.trust_writes.arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
  }
}

resource "aws_sns_topic_policy" "trust_writes" {
  arn    = aws_sns_topic.trust_writes.arn
  policy = data.aws_iam_policy_document.trust_writes.json
}

resource "aws_sns_topic_subscription" "trust_writes" {
  count     = var.alarm_email == "" ? 0 : 1
  topic_arn = aws_sns_topic.trust_writes.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

resource "aws_cloudwatch_event_rule" "trust_writes" {
  name          = "samlfailover-trust-writes"
  description   = "A trust policy was written by somebody else than samlfailover's enforce role."
  event_pattern = replace(file("${path.module}/alarm-pattern.json"), "ENFORCE_ROLE_ARN", aws_iam_role.enforce.arn)
}

resource "aws_cloudwatch_event_target" "trust_writes" {
  rule = aws_cloudwatch_event_rule.trust_writes.name
  arn  = aws_sns_topic.trust_writes.arn
}

output "trust_writes_topic" {
  value = aws_sns_topic.trust_writes.arn
}
