package uri

import "strings"

// QueuePath reports whether p is the path of a queue's URL: /000000000000/name, or /queue/region/000000000000/name.
func QueuePath(p string) bool {
	p = strings.TrimPrefix(p, "/")
	if rest, ok := strings.CutPrefix(p, "queue/"); ok {
		_, p, _ = strings.Cut(rest, "/")
	}
	account, name, _ := strings.Cut(p, "/")
	if len(account) != 12 || name == "" || strings.Contains(name, "/") {
		return false
	}
	return strings.Trim(account, "0123456789") == ""
}

// HostService is the part of an AWS-shaped host name that names the service: "sqs" of sqs.us-east-1.amazonaws.com and of
// sqs.us-east-1.localhost, "s3" of bucket.s3.localhost.
func HostService(host string) string {
	host, _, _ = strings.Cut(host, ":")
	for _, suffix := range [...]string{".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".localhost.localstack.cloud", ".localhost"} {
		rest, ok := strings.CutSuffix(host, suffix)
		if !ok {
			continue
		}
		labels := strings.Split(rest, ".")
		for i := len(labels) - 1; i >= 0; i-- { // the region stands behind the service, buckets and prefixes before
			if l := labels[i]; !IsRegion(l) && l != "dualstack" {
				if l == "queue" {
					return "sqs"
				}
				if i > 0 && (l == "ecr" || l == "dynamodb") {
					return labels[i-1] + "." + l
				}
				return l
			}
		}
	}
	return ""
}

// IsRegion reports whether l looks like us-east-1.
func IsRegion(l string) bool {
	return strings.Count(l, "-") >= 2 && l[len(l)-1] >= '1' && l[len(l)-1] <= '9'
}
