package auth

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/store"
)

// Sessions issues temporary credentials and opens them again. A session is kept nowhere: its token is all of it, sealed, so
// that no request needs the store and nothing is left of a session that has ended. What is kept is the key they are sealed
// with, which all nodes share and snapshots hold: a state that is set back knows the tokens of its time.
//
// The token says who its bearer is, by unique ids; what that one may do is looked up with each request.
type Sessions struct {
	space store.Space
	keys  store.Table[tokenKey] // by number
	ring  atomic.Pointer[map[uint32]*seals]
	last  atomic.Pointer[seals] // what new tokens are sealed with
	cache openings
}

// tokenKey is what all seals are derived from.
type tokenKey struct {
	store.Unknown
	Secret  []byte    `cbor:"1,keyasint"`
	Created time.Time `cbor:"2,keyasint"`
}

// seals are what one key is used as.
type seals struct {
	number   uint32
	tokens   cipher.AEAD
	messages cipher.AEAD
	secrets  []byte // from which the secret access keys follow
}

// NewSessions keeps its keys in space, in the table with id 1.
func NewSessions(space store.Space) *Sessions {
	return &Sessions{space: space, keys: store.NewTable[tokenKey](space, 1, "session-keys", store.Global)}
}

// Credentials are temporary ones.
type Credentials struct {
	AccessKey string
	Secret    string
	Token     string
	Expires   time.Time
}

// A token is a first byte, the key's number, a nonce, and the sealed session with its length in front; what follows the session
// is there to make the token longer. The access key id is sealed with it: a token opens with its own only.
const (
	tokenFormat = 0x21 // tokens begin with an I, as AWS's do
	tokenHead   = 5
)

var tokenText = base64.StdEncoding.Strict()

// Issue makes credentials for a session, with a token of size characters at least. Times are cut to seconds, as AWS answers them.
func (s *Sessions) Issue(ctx context.Context, session *aws.Session, size int) (Credentials, error) {
	k, err := s.latest(ctx)
	if err != nil {
		return Credentials{}, err
	}
	body := *session
	body.Issued, body.Expires, body.MFA = body.Issued.UTC().Truncate(time.Second), body.Expires.UTC().Truncate(time.Second), body.MFA.UTC().Truncate(time.Second)
	encoded, err := store.Encode(&body)
	if err != nil {
		return Credentials{}, fmt.Errorf("encode session: %w", err)
	}
	c := Credentials{AccessKey: NewAccessKeyID(TemporaryKey, session.Account), Expires: body.Expires}
	plain := append(binary.AppendUvarint(nil, uint64(len(encoded))), encoded...)
	if missing := tokenText.DecodedLen(size+3) - tokenHead - k.tokens.Overhead() - len(plain); missing > 0 {
		plain = append(plain, make([]byte, missing)...)
	}
	token := binary.BigEndian.AppendUint32([]byte{tokenFormat}, k.number)
	token = k.tokens.Seal(token, nil, plain, []byte(c.AccessKey))
	c.Token, c.Secret = tokenText.EncodeToString(token), k.secret(token)
	return c, nil
}

// Open implements [Vault]. It keeps neither string.
func (s *Sessions) Open(ctx context.Context, id, token string) (bearer aws.Principal, secret string, err error) {
	o := s.cache.find(token)
	if o == nil {
		if o, err = s.open(ctx, id, token); err != nil {
			return bearer, "", err
		}
		s.cache.add(o)
	}
	if o.id != id {
		return bearer, "", ErrBadToken
	}
	return o.bearer, o.secret, nil
}

// opening is a token that was opened.
type opening struct {
	token  string
	id     string
	bearer aws.Principal
	secret string
}

// maxToken is far more than any token has: sessions are bounded by what AWS packs into its own.
const maxToken = 64 << 10

func (s *Sessions) open(ctx context.Context, id, token string) (*opening, error) {
	if len(token) > maxToken {
		return nil, ErrBadToken
	}
	sealed, err := tokenText.DecodeString(token)
	if err != nil || len(sealed) < tokenHead || sealed[0] != tokenFormat {
		return nil, ErrBadToken
	}
	k, err := s.numbered(ctx, binary.BigEndian.Uint32(sealed[1:]))
	if err != nil {
		return nil, err
	}
	if k == nil {
		return nil, ErrBadToken
	}
	plain, err := k.tokens.Open(nil, nil, sealed[tokenHead:], []byte(id))
	if err != nil {
		return nil, ErrBadToken
	}
	length, n := binary.Uvarint(plain)
	if n <= 0 || length > uint64(len(plain)-n) {
		return nil, ErrBadToken
	}
	session := new(aws.Session)
	if err := store.Decode(plain[n:n+int(length)], session); err != nil {
		return nil, fmt.Errorf("open session: %w", err) // sealed here, and not understood: a newer version did it
	}
	return &opening{strings.Clone(token), strings.Clone(id), BearerOf(session), k.secret(sealed)}, nil
}

// Seal makes text a message that only callers of account can have decoded, by DecodeAuthorizationMessage: what a denied caller is told of why.
func (s *Sessions) Seal(ctx context.Context, account string, text []byte) (string, error) {
	k, err := s.latest(ctx)
	if err != nil {
		return "", err
	}
	packed, err := pack(text)
	if err != nil {
		return "", fmt.Errorf("pack message: %w", err)
	}
	sealed := binary.BigEndian.AppendUint32(make([]byte, 0, len(packed)+64), k.number)
	return base64.RawURLEncoding.EncodeToString(k.messages.Seal(sealed, nil, packed, []byte(account))), nil
}

// Unseal is the text of a message that Seal made for account. Another's error is ErrBadToken.
func (s *Sessions) Unseal(ctx context.Context, account, message string) ([]byte, error) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(message)
	if err != nil || len(sealed) < 4 || strings.ContainsAny(message, "\r\n") { // which the decoder does not mind
		return nil, ErrBadToken
	}
	k, err := s.numbered(ctx, binary.BigEndian.Uint32(sealed))
	if err != nil {
		return nil, err
	}
	if k == nil {
		return nil, ErrBadToken
	}
	packed, err := k.messages.Open(nil, nil, sealed[4:], []byte(account))
	if err != nil {
		return nil, ErrBadToken
	}
	return unpack(packed)
}

// pack makes text short: messages are passed on by hand, and DecodeAuthorizationMessage takes ten thousand characters.
func pack(text []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

func unpack(packed []byte) ([]byte, error) {
	return io.ReadAll(flate.NewReader(bytes.NewReader(packed)))
}

// secret is the secret access key that goes with a token.
func (k *seals) secret(token []byte) string {
	mac := hmac.New(sha256.New, k.secrets)
	mac.Write(token)
	var sum [sha256.Size]byte
	return base64.StdEncoding.EncodeToString(mac.Sum(sum[:0])[:30]) // forty characters, as AWS's
}

func newSeals(number uint32, secret []byte) (*seals, error) {
	k := &seals{number: number}
	aead := func(use string) (cipher.AEAD, error) {
		key, err := hkdf.Expand(sha256.New, secret, use, 32)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		return cipher.NewGCMWithRandomNonce(block)
	}
	var err error
	if k.tokens, err = aead("session token"); err != nil {
		return nil, err
	}
	if k.messages, err = aead("authorization message"); err != nil {
		return nil, err
	}
	k.secrets, err = hkdf.Expand(sha256.New, secret, "secret access key", sha256.Size)
	return k, err
}

// latest is the key that new tokens are sealed with; the first caller ever makes it.
func (s *Sessions) latest(ctx context.Context) (*seals, error) {
	if k := s.last.Load(); k != nil {
		return k, nil
	}
	secret := make([]byte, 32)
	rand.Read(secret)
	if _, err := store.Update(ctx, s.space, func(tx *store.Tx) (struct{}, error) {
		for range s.keys.Keys(tx, store.ScanOptions{Limit: 1}) {
			return struct{}{}, nil // it was made before
		}
		s.keys.Set(tx, tokenKey{Secret: secret, Created: tx.Now()}, uint32(1))
		return struct{}{}, nil
	}); err != nil {
		return nil, fmt.Errorf("keep the key of session tokens: %w", err)
	}
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	if k := s.last.Load(); k != nil {
		return k, nil
	}
	return nil, errors.New("auth: the key of session tokens is not where it was put")
}

// numbered is the key of that number, nil where there is none.
func (s *Sessions) numbered(ctx context.Context, number uint32) (*seals, error) {
	if ring := s.ring.Load(); ring != nil {
		if k := (*ring)[number]; k != nil {
			return k, nil
		}
	}
	if err := s.load(ctx); err != nil { // another node may have made it
		return nil, err
	}
	return (*s.ring.Load())[number], nil
}

// load reads the keys.
func (s *Sessions) load(ctx context.Context) error {
	ring, err := store.View(ctx, s.space, func(tx *store.Tx) (map[uint32]*seals, error) {
		ring := map[uint32]*seals{}
		for at, kept := range s.keys.Scan(tx, store.ScanOptions{}) {
			number := uint32(at.Uint64(0))
			k, err := newSeals(number, kept.Secret)
			if err != nil {
				return nil, err
			}
			ring[number] = k
		}
		return ring, nil
	})
	if err != nil {
		return fmt.Errorf("read the keys of session tokens: %w", err)
	}
	var last *seals
	for _, k := range ring {
		if last == nil || k.number > last.number {
			last = k
		}
	}
	s.ring.Store(&ring)
	s.last.Store(last)
	return nil
}

// openings keeps what was opened lately, in two generations: young ones fill up to half of the room and become old, and the
// old ones before them are dropped.
type openings struct {
	mu         sync.Mutex
	young, old map[string]*opening
	size       int // of the young, in bytes
}

const (
	openingsRoom = 8 << 20
	openingCost  = 1 << 10 // what one takes beside a few times its token
)

func (c *openings) find(token string) *opening {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := c.young[token]; o != nil {
		return o
	}
	o := c.old[token]
	if o != nil {
		c.keep(o)
	}
	return o
}

func (c *openings) add(o *opening) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(o)
}

// keep puts o among the young. c.mu is held.
func (c *openings) keep(o *opening) {
	if c.young == nil || c.size > openingsRoom/2 {
		c.old, c.young, c.size = c.young, map[string]*opening{}, 0
	}
	c.young[o.token] = o
	c.size += openingCost + 3*len(o.token)
}
