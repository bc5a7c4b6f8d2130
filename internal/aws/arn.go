package aws

import "strings"

// ARN is an Amazon Resource Name, taken apart.
type ARN struct {
	Partition, Service, Region, Account, Resource string
}

// ParseARN takes s apart; ok is false where it has not the six parts of an ARN.
func ParseARN(s string) (a ARN, ok bool) {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[1] == "" || parts[2] == "" || parts[5] == "" {
		return ARN{}, false
	}
	return ARN{parts[1], parts[2], parts[3], parts[4], parts[5]}, true
}

func (a ARN) String() string {
	return "arn:" + a.Partition + ":" + a.Service + ":" + a.Region + ":" + a.Account + ":" + a.Resource
}

// Scope is the account and region the resource lives in.
func (a ARN) Scope() Scope { return Scope{Account: a.Account, Region: a.Region} }

// Partition is the AWS partition a region belongs to.
func Partition(region string) string {
	for _, p := range [...]struct{ prefix, partition string }{
		{"cn-", "aws-cn"},
		{"us-gov-", "aws-us-gov"},
		{"us-iso-", "aws-iso"},
		{"us-isob-", "aws-iso-b"},
		{"eu-isoe-", "aws-iso-e"},
		{"us-isof-", "aws-iso-f"},
		{"eusc-", "aws-eusc"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p.partition
		}
	}
	return "aws"
}

// ARN names a resource of service in the scope.
func (s Scope) ARN(service, resource string) string {
	return ARN{Partition(s.Region), service, s.Region, s.Account, resource}.String()
}
