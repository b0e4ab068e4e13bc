package stack

import "strings"

// Caller is an identity, and the account and region of its operations.
type Caller struct {
	// Account is the account's number, 12 digits.
	Account string
	Region  string
	// ARN is the user or role.
	ARN string
}

// Partition is aws, aws-cn or aws-us-gov.
func (c Caller) Partition() string {
	if parts := strings.Split(c.ARN, ":"); len(parts) > 1 && parts[1] != "" {
		return parts[1]
	}
	return "aws"
}

// URLSuffix is the domain of AWS's endpoints in the partition.
func (c Caller) URLSuffix() string {
	if c.Partition() == "aws-cn" {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}
