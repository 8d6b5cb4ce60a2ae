# The two roles that samlfailover assumes in one account. The policies are the JSON files beside this one.

variable "scan_principal_arn" {
  type        = string
  description = "ARN of the identity that scans: the one of samlfailover serve."
}

variable "enforce_principal_arn" {
  type        = string
  description = "ARN of the identity that runs samlfailover trust apply. Not the one that serves."
}

variable "external_id" {
  type        = string
  description = "The accounts' external_id in the config of samlfailover."
}

locals {
  scan_trust    = replace(replace(file("${path.module}/scan-trust.json"), "SCAN_PRINCIPAL_ARN", var.scan_principal_arn), "EXTERNAL_ID", var.external_id)
  enforce_trust = replace(replace(file("${path.module}/enforce-trust.json"), "ENFORCE_PRINCIPAL_ARN", var.enforce_principal_arn), "EXTERNAL_ID", var.external_id)
}

resource "aws_iam_role" "scan" {
  name               = "samlfailover-scan"
  assume_role_policy = local.scan_trust
}

resource "aws_iam_role_policy" "scan" {
  name   = "scan"
  role   = aws_iam_role.scan.id
  policy = file("${path.module}/scan-policy.json")
}

resource "aws_iam_role" "enforce" {
  name               = "samlfailover-enforce"
  assume_role_policy = local.enforce_trust
}

resource "aws_iam_role_policy" "enforce" {
  name   = "enforce"
  role   = aws_iam_role.enforce.id
  policy = file("${path.module}/enforce-policy.json")
}

output "scan_role" {
  value = aws_iam_role.scan.arn
}

output "enforce_role" {
  value = aws_iam_role.enforce.arn
}
