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
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	case strings.HasPrefix(region, "us-iso-"):
		return "aws-iso"
	case strings.HasPrefix(region, "us-isob-"):
		return "aws-iso-b"
	}
	return "aws"
}

// ARN names a resource of service in the scope.
func (s Scope) ARN(service, resource string) string {
	return ARN{Partition(s.Region), service, s.Region, s.Account, resource}.String()
}
