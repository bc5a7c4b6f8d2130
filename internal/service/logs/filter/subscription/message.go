// Package subscription is the messages that subscription filters send: what a destination is told of events, as JSON that is
// compressed with gzip.
package subscription

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
)

// Message is what is sent at once.
type Message struct {
	Type    string   `json:"messageType"`
	Owner   string   `json:"owner"`
	Group   string   `json:"logGroup"`
	Stream  string   `json:"logStream"`
	Filters []string `json:"subscriptionFilters"`
	Events  []Event  `json:"logEvents"`
	Level   string   `json:"policyLevel,omitempty"` // AccountLevel where an account's policy sends it
}

// Event is an event of a message.
type Event struct {
	ID        string            `json:"id"`
	Time      int64             `json:"timestamp"`
	Message   string            `json:"message"`
	Extracted map[string]string `json:"extractedFields,omitempty"`
}

// The types of messages, and the level of an account's policy.
const (
	Data         = "DATA_MESSAGE"
	Control      = "CONTROL_MESSAGE"
	AccountLevel = "ACCOUNT_LEVEL_POLICY"
)

// Test is what a destination is told first, so that one that takes nothing is found out.
func Test(destination string, now int64) *Message {
	return &Message{Type: Control, Owner: "CloudwatchLogs", Filters: []string{}, Events: []Event{{
		Time: now, Message: "CWL CONTROL MESSAGE: Checking health of destination " + destination + ".",
	}}}
}

// Pack is the message as a stream of records takes it.
func (m *Message) Pack() ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := json.NewEncoder(z)
	w.SetEscapeHTML(false)
	if err := w.Encode(m); err != nil {
		return nil, err
	}
	err := z.Close()
	return b.Bytes(), err
}

// Invocation is what a function is called with that is to take a packed message.
func Invocation(packed []byte) []byte {
	const head, tail = `{"awslogs":{"data":"`, `"}}`
	b := make([]byte, 0, len(head)+base64.StdEncoding.EncodedLen(len(packed))+len(tail))
	b = append(b, head...)
	b = base64.StdEncoding.AppendEncode(b, packed)
	return append(b, tail...)
}
