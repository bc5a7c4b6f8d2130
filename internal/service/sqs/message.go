package sqs

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/obidos-cloud/obidos/internal/api/sqsapi"
	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/owner"
)

const (
	maxBatch        = 1 << 20 // bytes of a message, and of all messages of a batch
	maxEntries      = 10
	maxDelay        = 900
	maxAttributes   = 10
	maxName         = 256
	traceHeader     = "AWSTraceHeader"
	badCharacters   = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"
	noDeduplication = "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
)

// draft is a message as a request has it.
type draft struct {
	message
	delay        aws.Opt[int32]
	dedupID      aws.Opt[string]
	groupID      aws.Opt[string]
	length       int // what counts towards the limits
	systemDigest string
}

// newDraft checks what can be checked of a message without knowing its queue.
func newDraft(ctx context.Context, body string, attributes map[string]sqsapi.MessageAttributeValue,
	system map[sqsapi.MessageSystemAttributeNameForSends]sqsapi.MessageSystemAttributeValue, d *draft,
) error {
	d.body = body
	if body == "" {
		return missing("MessageBody")
	}
	var err error
	if d.attributes, d.length, err = readAttributes(attributes); err != nil {
		return err
	}
	d.length += len(body)
	for name, v := range system {
		if name != traceHeader {
			return invalid("Message system attribute name '%s' is invalid.", name)
		}
		if v.DataType != "String" {
			return invalid("The type of message system attribute '%s' is invalid. You must use only the following supported type prefixes: Binary, Number, String.", name)
		}
		if !v.StringValue.Set || v.StringValue.V == "" {
			return invalid("Message system attribute '%s' must contain a non-empty value of type 'String'.", name)
		}
		d.trace = v.StringValue.V
		d.systemDigest = digest([]attribute{{name: traceHeader, kind: v.DataType, value: d.trace}})
	}
	r := aws.RequestOf(ctx)
	if d.trace == "" {
		d.trace = r.XRay // the caller's own, where the message says nothing
	}
	if d.sender = r.Principal.UserID; d.sender == "" {
		d.sender = r.Account
	}
	return nil
}

// check checks the rest, for queue q.
func (d *draft) check(q *queue, batch bool) error {
	if d.length > q.set.maxSize {
		if batch {
			return invalid("One or more parameters cannot be validated. Reason: Message must be shorter than %d bytes.", q.set.maxSize)
		}
		return invalid("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", q.set.maxSize)
	}
	if !validText(d.body) {
		return sqsapi.InvalidMessageContents(badCharacters)
	}
	if d.dedupID.Set {
		if err := checkFifoID(d.dedupID.V, "MessageDeduplicationId"); err != nil {
			return err
		}
	}
	if d.groupID.Set {
		if err := checkFifoID(d.groupID.V, "MessageGroupId"); err != nil {
			return err
		}
	}
	if q.set.fifo {
		if d.delay.V != 0 {
			return invalid("Value %d for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.", d.delay.V)
		}
		if !d.groupID.Set {
			return missing("MessageGroupId")
		}
		if !d.dedupID.Set {
			if !q.set.contentDedup {
				return invalid(noDeduplication)
			}
			d.dedup = contentID(d.body)
		} else {
			d.dedup = d.dedupID.V
		}
	} else {
		if d.dedupID.Set {
			return invalid("Value %s for parameter MessageDeduplicationId is invalid. Reason: The request include parameter that is not valid for this queue type.", d.dedupID.V)
		}
		if d.delay.Set && (d.delay.V < 0 || d.delay.V > maxDelay) {
			return invalid("Value %d for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.", d.delay.V)
		}
	}
	d.group = d.groupID.V
	return nil
}

// validText reports whether a body has only characters that XML has.
func validText(s string) bool {
	for i := 0; i < len(s); {
		for i+8 <= len(s) && printable(s[i:i+8]) {
			i += 8
		}
		if i == len(s) {
			break
		}
		c := s[i]
		if c < utf8.RuneSelf {
			if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
				return false
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || r == 0xfffe || r == 0xffff {
			return false
		}
		i += n
	}
	return true
}

// printable reports whether eight bytes are all ASCII and none of them a control character.
func printable(s string) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	_ = s[7]
	w := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
	return (w|(w-ones*' '))&highs == 0
}

// readAttributes checks message attributes and puts them in the order of their names. length is what they count.
func readAttributes(given map[string]sqsapi.MessageAttributeValue) (list []attribute, length int, err error) {
	if len(given) == 0 {
		return nil, 0, nil
	}
	if len(given) > maxAttributes {
		return nil, 0, invalid("Number of message attributes [%d] exceeds the allowed maximum [%d].", len(given), maxAttributes)
	}
	list = make([]attribute, 0, len(given))
	for name, v := range given {
		if err := checkAttributeName(name); err != nil {
			return nil, 0, err
		}
		a := attribute{name: name, kind: v.DataType, binary: strings.HasPrefix(v.DataType, "Binary"), value: v.StringValue.V}
		if err := checkAttributeValue(name, &v); err != nil {
			return nil, 0, err
		}
		if a.binary {
			a.value = string(v.BinaryValue)
		}
		length += len(a.name) + len(a.kind) + len(a.value)
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b attribute) int { return strings.Compare(a.name, b.name) })
	return list, length, nil
}

func checkAttributeName(name string) error {
	lower := strings.ToLower(name)
	switch {
	case name == "":
		return invalid("The request must contain non-empty message (user) attribute names.")
	case len(name) > maxName:
		return invalid("Message (user) attribute name must be shorter than 256 bytes.")
	case strings.ContainsFunc(name, func(r rune) bool { // AWS takes letters with accents too
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.' || r >= 0xc0 && r <= 0x17f)
	}):
		return invalid("Message (user) attributes name can only contain upper and lower score characters, digits, periods, hyphens and underscores. ")
	case strings.HasPrefix(lower, "aws."), strings.HasPrefix(lower, "amazon."):
		return invalid("You can't use message attribute names beginning with 'AWS.' or 'Amazon'. These strings are reserved for internal use.")
	case name[0] == '.':
		return invalid("Message (user) attribute name must not begin with character '.'.")
	case name[len(name)-1] == '.':
		return invalid("Message (user) attribute name must not end with character '.'.")
	case strings.Contains(name, ".."):
		return invalid("Message (user) attribute name must not have successive '.' characters.")
	}
	return nil
}

func checkAttributeValue(name string, v *sqsapi.MessageAttributeValue) error {
	base, _, _ := strings.Cut(v.DataType, ".")
	isBinary, isNumber := base == "Binary", base == "Number"
	switch text, data := v.StringValue.V, v.BinaryValue; {
	case len(v.StringListValues)+len(v.BinaryListValues) > 0:
		return sqsapi.UnsupportedOperation("Message attribute list values in SendMessage operation are not supported.")
	case v.DataType == "" && text == "" && len(data) == 0:
		return invalid("The message (user) attribute '%s' must contain a non-empty message attribute value.", name)
	case v.DataType == "":
		return invalid("The message (user) attribute '%s' must contain a non-empty message attribute type.", name)
	case !isBinary && !isNumber && base != "String":
		return invalid("The type of message (user) attribute '%s' is invalid. You must use only the following supported type prefixes: Binary, Number, String.", name)
	case len(v.DataType) > maxName:
		return invalid("Message (user) attribute type must be shorter than 256 bytes.")
	case text == "" && len(data) == 0:
		return invalid("Message (user) attribute '%s' must contain a non-empty value of type '%s'.", name, v.DataType)
	case text != "" && len(data) > 0:
		return invalid("Message (user) attribute '%s' must have a single value.", name)
	case isBinary && text != "":
		return invalid("Message (user) attribute '%s' with type 'Binary' must use field 'Binary'.", name)
	case !isBinary && len(data) > 0:
		return invalid("Message (user) attribute '%s' with type '%s' must use field 'String'.", name, base)
	case !validText(text):
		return invalid(badCharacters)
	case isNumber && !validNumber(text):
		return invalid("Can't cast the value of message (user) attribute '%s' to a number.", name)
	}
	return nil
}

// validNumber reports whether s is a decimal number, with an exponent or without.
func validNumber(s string) bool {
	digits := func() (n int) {
		for s != "" && s[0] >= '0' && s[0] <= '9' {
			s, n = s[1:], n+1
		}
		return n
	}
	sign := func() {
		if s != "" && (s[0] == '-' || s[0] == '+') {
			s = s[1:]
		}
	}
	sign()
	n := digits()
	if s != "" && s[0] == '.' {
		s = s[1:]
		n += digits()
	}
	if n == 0 {
		return false
	}
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		s = s[1:]
		sign()
		if digits() == 0 {
			return false
		}
	}
	return s == ""
}

// sent is what a send answers.
type sent struct {
	id  [16]byte
	seq uint64
}

// note is s as the record of a delivery keeps it.
func (s sent) note() string {
	return base64.RawStdEncoding.EncodeToString(binary.BigEndian.AppendUint64(s.id[:], s.seq))
}

func sentOf(note string) (s sent) {
	if b, err := base64.RawStdEncoding.DecodeString(note); err == nil && len(b) == 24 {
		copy(s.id[:], b)
		s.seq = binary.BigEndian.Uint64(b[16:])
	}
	return s
}

// send writes a message that was checked. It is to be received once the batch is committed.
func (q *queue) send(ctx context.Context, b *owner.Batch, d *draft) (sent, error) {
	now := b.Now().UnixMilli()
	var h hash
	if q.set.fifo {
		scope := ""
		if q.record.GroupScope {
			scope = d.group
		}
		h = hashOf(d.dedup, scope)
		if was, ok, err := q.duplicate(ctx, h, now); err != nil {
			return sent{}, err
		} else if ok {
			return sent{was.ID, was.Seq}, nil
		}
	}
	d.id, d.sent = newID(), now
	out := sent{d.id, q.ids.Next()}
	if q.set.fifo {
		q.remember(b, h, dedupRecord{Seq: out.seq, ID: out.id, Expires: now + dedupInterval}, now)
	}
	delay := q.set.delay
	if d.delay.Set && !q.set.fifo {
		delay = int64(d.delay.V) * 1000
	}
	q.add(b, out.seq, &d.message, delay)
	return out, nil
}

// sendOnce is send, for a delivery once only.
func (q *queue) sendOnce(ctx context.Context, b *owner.Batch, d *draft, delivery string) (sent, error) {
	if delivery != "" {
		if note, was, err := q.svc.ledger.Taken(ctx, q.pending, delivery); was || err != nil {
			return sentOf(note), err
		}
	}
	if err := b.Room(); err != nil {
		return sent{}, err
	}
	done, err := q.send(ctx, b, d)
	if err != nil {
		return done, err
	}
	if delivery != "" {
		q.svc.ledger.Record(&q.pending, b, delivery, done.note())
	}
	q.save(b)
	return done, nil
}

// add writes a message under seq.
func (q *queue) add(b *owner.Batch, seq uint64, m *message, delay int64) {
	now := b.Now().UnixMilli()
	n := q.record.Number
	rec := q.svc.encode(m)
	q.svc.tables.bodies.Set(b, rec, n, seq)
	q.state.total++
	if q.state.total == 1 {
		q.state.low = seq
	}
	q.armSweep(b, m.sent)
	if delay > 0 {
		// Out of sight from now on, lest a reading of the backlog takes it for ready once it is committed.
		f := &flight{seq: seq, due: now + delay, first: now, group: strings.Clone(m.group)}
		q.hide(f, false)
		q.svc.tables.flights.Set(b, f.record(), n, seq)
		b.Then(func() {
			if q.flights[seq] != f { // its delay was over before it was committed
				q.arrive(seq, rec)
			} else if !q.behind {
				q.cursor = max(q.cursor, seq+1)
			}
		})
		return
	}
	b.Then(func() { q.arrive(seq, rec) })
}

// arrive makes a message ready whose send is committed.
func (q *queue) arrive(seq uint64, rec record) {
	switch {
	case seq <= q.purged || seq < q.cursor:
		return // it is gone, or was read in meanwhile
	case !q.behind && q.window.held < windowSize:
		q.window.push(q.laneOf(rec), entry{seq: seq, order: seq, rec: q.cache(rec)})
		q.cursor = seq + 1
	case !q.set.fifo && rec.grouped() && q.early < earlyGroups && q.flights[seq] == nil:
		q.behind = true
		l := q.laneOf(rec)
		if l.fresh.len()+l.back.len() >= earlyEach {
			break
		}
		q.early++
		f := &flight{seq: seq, group: l.group, first: rec.sent()}
		q.flights[seq] = f
		q.show(f)
	default:
		q.behind = true
	}
	q.wake(1)
}

// SendMessage sends one message.
func (s *Service) SendMessage(ctx context.Context, in *sqsapi.SendMessageInput) (*sqsapi.SendMessageOutput, error) {
	d := draft{delay: in.DelaySeconds, dedupID: in.MessageDeduplicationId, groupID: in.MessageGroupId}
	if err := newDraft(ctx, in.MessageBody, in.MessageAttributes, in.MessageSystemAttributes, &d); err != nil {
		return nil, err
	}
	delivery := aws.RequestOf(ctx).Delivery
	return at(ctx, s, in.QueueUrl, func(q *queue, b *owner.Batch) (*sqsapi.SendMessageOutput, error) {
		if err := d.check(q, false); err != nil {
			return nil, err
		}
		done, err := q.sendOnce(ctx, b, &d, delivery)
		if err != nil {
			return nil, err
		}
		out := &sqsapi.SendMessageOutput{
			MessageId:                    aws.Some(aws.UUID(done.id)),
			MD5OfMessageBody:             aws.Some(hex.EncodeToString(d.sum())),
			MD5OfMessageAttributes:       aws.NonZero(digest(d.attributes)),
			MD5OfMessageSystemAttributes: aws.NonZero(d.systemDigest),
		}
		if q.set.fifo {
			out.SequenceNumber = aws.Some(sequenceNumber(done.seq))
		}
		return out, nil
	})
}

// sum is the MD5 of the body.
func (m *message) sum() []byte {
	if m.bodyMD5 == ([16]byte{}) {
		m.bodyMD5 = md5.Sum([]byte(m.body))
	}
	return m.bodyMD5[:]
}

// SendMessageBatch sends up to ten messages, each of which may fail by itself.
func (s *Service) SendMessageBatch(ctx context.Context, in *sqsapi.SendMessageBatchInput) (*sqsapi.SendMessageBatchOutput, error) {
	if err := checkBatch(len(in.Entries), "SendMessageBatchRequestEntry", func(i int) string { return in.Entries[i].Id }); err != nil {
		return nil, err
	}
	drafts := make([]draft, len(in.Entries))
	faults := make([]error, len(in.Entries))
	total := 0
	for i := range in.Entries {
		e, d := &in.Entries[i], &drafts[i]
		d.delay, d.dedupID, d.groupID = e.DelaySeconds, e.MessageDeduplicationId, e.MessageGroupId
		faults[i] = newDraft(ctx, e.MessageBody, e.MessageAttributes, e.MessageSystemAttributes, d)
		total += max(d.length, len(e.MessageBody))
	}
	if total > maxBatch {
		return nil, sqsapi.BatchRequestTooLong("Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxBatch, total)
	}
	return at(ctx, s, in.QueueUrl, func(q *queue, b *owner.Batch) (*sqsapi.SendMessageBatchOutput, error) {
		if q.set.fifo {
			for i := range drafts {
				if !drafts[i].dedupID.Set && !q.set.contentDedup {
					return nil, invalid(noDeduplication)
				}
				if !drafts[i].groupID.Set {
					return nil, invalid("The request must contain the parameter MessageGroupId.")
				}
			}
		}
		if err := b.Room(); err != nil {
			return nil, err
		}
		out := &sqsapi.SendMessageBatchOutput{}
		for i := range drafts {
			d, id := &drafts[i], in.Entries[i].Id
			err := faults[i]
			if err == nil {
				err = d.check(q, true)
			}
			var done sent
			if err == nil {
				done, err = q.send(ctx, b, d)
			}
			if err != nil {
				out.Failed = append(out.Failed, failed(id, err))
				continue
			}
			r := sqsapi.SendMessageBatchResultEntry{
				Id:                           id,
				MessageId:                    aws.UUID(done.id),
				MD5OfMessageBody:             hex.EncodeToString(d.sum()),
				MD5OfMessageAttributes:       aws.NonZero(digest(d.attributes)),
				MD5OfMessageSystemAttributes: aws.NonZero(d.systemDigest),
			}
			if q.set.fifo {
				r.SequenceNumber = aws.Some(sequenceNumber(done.seq))
			}
			out.Successful = append(out.Successful, r)
		}
		if len(out.Successful) > 0 {
			q.save(b)
		}
		return out, nil
	})
}

// checkBatch checks the ids of a batch of entries of a type.
func checkBatch(n int, entry string, id func(int) string) error {
	switch {
	case n == 0:
		return sqsapi.EmptyBatchRequest("There should be at least one %s in the request.", entry)
	case n > maxEntries:
		return sqsapi.TooManyEntriesInBatchRequest("Maximum number of entries per request are %d. You have sent %d.", maxEntries, n)
	}
	for i := range n {
		if !validLabel(id(i)) {
			return sqsapi.InvalidBatchEntryId("A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		for j := range i {
			if id(j) == id(i) {
				return sqsapi.BatchEntryIdsNotDistinct("Id %s repeated.", id(i))
			}
		}
	}
	return nil
}

// failed is how an entry of a batch that failed is answered.
func failed(id string, err error) sqsapi.BatchResultErrorEntry {
	if e, ok := errors.AsType[*aws.Error](err); ok {
		return sqsapi.BatchResultErrorEntry{Id: id, SenderFault: !e.Receiver, Code: e.WireCode(), Message: aws.Some(e.Message)}
	}
	return sqsapi.BatchResultErrorEntry{Id: id, Code: "InternalError", Message: aws.Some("The request could not be carried out.")}
}

// deleteMessage deletes the message of a receipt handle. That it is gone already is no error.
func (q *queue) deleteMessage(ctx context.Context, b *owner.Batch, receipt string) error {
	h, err := q.receipt(receipt)
	if err != nil {
		return err
	}
	f, err := q.hold(ctx, h)
	if err != nil || f == nil {
		return err
	}
	if q.expired(f, h) {
		return invalidReceipt(receipt, "The receipt handle has expired.")
	}
	n := q.record.Number
	q.svc.tables.bodies.Delete(b, n, f.seq)
	q.svc.tables.flights.Delete(b, n, f.seq)
	q.state.total--
	q.forget(b, f)
	q.touch()
	if q.waiters.Len() > 0 && (q.behind || q.window.next() != nil) {
		q.wake(1) // its group may be open again, or there is room in flight
	}
	return nil
}

// DeleteMessage deletes a message that was received.
func (s *Service) DeleteMessage(ctx context.Context, in *sqsapi.DeleteMessageInput) (*sqsapi.DeleteMessageOutput, error) {
	return at(ctx, s, in.QueueUrl, func(q *queue, b *owner.Batch) (*sqsapi.DeleteMessageOutput, error) {
		b.Frees()
		if err := q.deleteMessage(ctx, b, in.ReceiptHandle); err != nil {
			return nil, err
		}
		if !b.Empty() {
			q.save(b)
		}
		return &sqsapi.DeleteMessageOutput{}, nil
	})
}

// DeleteMessageBatch deletes up to ten messages, each of which may fail by itself.
func (s *Service) DeleteMessageBatch(ctx context.Context, in *sqsapi.DeleteMessageBatchInput) (*sqsapi.DeleteMessageBatchOutput, error) {
	if err := checkBatch(len(in.Entries), "DeleteMessageBatchRequestEntry", func(i int) string { return in.Entries[i].Id }); err != nil {
		return nil, err
	}
	return at(ctx, s, in.QueueUrl, func(q *queue, b *owner.Batch) (*sqsapi.DeleteMessageBatchOutput, error) {
		b.Frees()
		out := &sqsapi.DeleteMessageBatchOutput{}
		for i := range in.Entries {
			e := &in.Entries[i]
			if err := q.deleteMessage(ctx, b, e.ReceiptHandle); err != nil {
				out.Failed = append(out.Failed, failed(e.Id, err))
			} else {
				out.Successful = append(out.Successful, sqsapi.DeleteMessageBatchResultEntry{Id: e.Id})
			}
		}
		if !b.Empty() {
			q.save(b)
		}
		return out, nil
	})
}
