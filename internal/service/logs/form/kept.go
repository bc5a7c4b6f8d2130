package form

import (
	"strings"
	"unicode"

	"github.com/obidos-cloud/obidos/internal/aws"
)

// CheckTags checks tags that are to be given.
func CheckTags(tags map[string]string) error {
	for k, v := range tags {
		if !isTagText(k) || !isTagText(v) {
			return Invalid("Tag keys and values may contain only letters, numbers, spaces and _.:/=+-@: %s", k)
		}
		if strings.HasPrefix(strings.ToLower(k), "aws:") {
			return Invalid("Tag keys that begin with aws: are reserved: %s", k)
		}
	}
	return nil
}

func isTagText(s string) bool {
	for _, c := range s {
		if !unicode.IsLetter(c) && !unicode.IsNumber(c) && !unicode.Is(unicode.Z, c) && !strings.ContainsRune("_.:/=+-@", c) {
			return false
		}
	}
	return true
}

// CheckKey checks that a key of KMS is named by its ARN.
func CheckKey(id string) error {
	if a, ok := aws.ParseARN(id); !ok || a.Service != "kms" {
		return Invalid("KMS key id must be an ARN: %s", id)
	}
	return nil
}

// Milliseconds is a time that is told in seconds, or, as some clients do, in milliseconds.
func Milliseconds(t int64) int64 {
	if t < 1e11 {
		return t * 1000
	}
	return t
}
