package auth

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/obidos-cloud/obidos/internal/aws"
)

// The first letters of access key ids.
const (
	LastingKey   = "AKIA" // of users and of an account's root
	TemporaryKey = "ASIA" // of sessions
)

// An access key id is four letters and ten bytes in base 32: a bit that is one, the account in forty bits, and 39 random ones.
// AWS writes its ids so, and whoever knows how (GetAccessKeyInfo, security tools) reads the account from the id alone.
const accountShift = 23 // within the first eight bytes

// NewAccessKeyID is a new access key id of an account: LastingKey or TemporaryKey and sixteen characters.
func NewAccessKeyID(prefix, account string) string {
	n, err := strconv.ParseUint(account, 10, 40)
	if err != nil || !aws.IsAccount(account) {
		panic(fmt.Sprintf("auth: %q is no account", account))
	}
	var b [10]byte
	rand.Read(b[:])
	random := binary.BigEndian.Uint64(b[:]) & (1<<accountShift - 1)
	binary.BigEndian.PutUint64(b[:], 1<<63|n<<accountShift|random)
	var id [20]byte
	copy(id[:4], prefix)
	base32.StdEncoding.Encode(id[4:], b[:])
	return string(id[:])
}

// AccountOfAccessKey is the account that an access key id of either kind is of, as the id itself says.
func AccountOfAccessKey(id string) (account string, ok bool) {
	if len(id) != 20 || id[:4] != LastingKey && id[:4] != TemporaryKey {
		return "", false
	}
	var b [10]byte
	if n, err := base32.StdEncoding.Decode(b[:], []byte(id[4:])); err != nil || n != len(b) {
		return "", false
	}
	v := binary.BigEndian.Uint64(b[:])
	n := v << 1 >> (1 + accountShift)
	if v>>63 == 0 || n > 999_999_999_999 { // ids of AWS's first years say no account
		return "", false
	}
	return fmt.Sprintf("%012d", n), true
}
