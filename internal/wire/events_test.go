package wire_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/obidos-cloud/obidos/internal/aws"
	"github.com/obidos-cloud/obidos/internal/lang/eventstream"
	"github.com/obidos-cloud/obidos/internal/model"
	"github.com/obidos-cloud/obidos/internal/wire"
)

// A made-up service that talks in both directions at once, in every way an event can be made.
type (
	word struct {
		Said  string             `v:"req"`
		Loud  aws.Opt[bool]      `f:"eventheader"`
		Times aws.Opt[int32]     `f:"eventheader"`
		Since aws.Opt[int64]     `f:"eventheader"`
		When  aws.Opt[time.Time] `f:"eventheader"`
		Who   aws.Opt[string]    `f:"eventheader"`
		Mark  []byte             `f:"eventheader"`
	}
	talking struct {
		_     struct{} `u:"events"`
		Word  *word    `n:"word"`
		Raw   *rawEvent
		Text  *textEvent
		Whole *wholeEvent
		End   *endEvent
	}
	rawEvent struct {
		Data []byte `f:"eventpayload"`
	}
	textEvent struct {
		Text aws.Opt[string] `f:"eventpayload"`
	}
	wholeEvent struct {
		Details *part           `f:"eventpayload"`
		About   aws.Opt[string] `f:"eventheader"`
	}
	endEvent struct{}

	talkInput struct {
		Room  string              `n:"room" at:"header:X-Room" v:"req"`
		Words aws.Events[talking] `at:"payload"`
	}
	talkOutput struct {
		Session aws.Opt[string]     `n:"session" at:"header:X-Session"`
		Words   aws.Events[talking] `at:"payload"`
	}
	talker interface {
		Talk(context.Context, *talkInput) (*talkOutput, error)
	}
)

func talkAPI(p model.Protocol) *model.Service {
	s := &model.Service{
		Name: "talk", Title: "Talk", SigningName: "talk", EndpointPrefix: "talk", TargetPrefix: "Talk", ShapePrefix: "com.example.talk",
		Protocols: []model.Protocol{p}, Patterns: []*model.Pattern{{Text: "[a-z]+"}},
		Errors: []model.Error{{ErrorShape: errBroken, Members: reflect.TypeFor[brokenMembers]()}},
	}
	return s.Fill([]model.Operation{
		model.Op(talker.Talk, model.Operation{Name: "Talk", Method: "POST", URI: "/talk", Flags: model.EventStreamIn | model.EventStreamOut}),
	}, "")
}

// words are events of every kind.
func words() []*talking {
	return []*talking{
		{Word: &word{
			Said: "hé <&>", Loud: aws.Some(true), Times: aws.Some(int32(-3)), Since: aws.Some(int64(1 << 40)), When: aws.Some(time.UnixMilli(1795415280123).UTC()),
			Who: aws.Some("me"), Mark: []byte{0, 255},
		}},
		{Word: &word{Said: "", Loud: aws.Some(false)}},
		{Raw: &rawEvent{Data: []byte{1, 0, 2}}},
		{Text: &textEvent{Text: aws.Some("plain")}},
		{Whole: &wholeEvent{Details: &part{Name: "p", Colors: []string{"red", "blue"}}, About: aws.Some("it")}},
		{End: &endEvent{}},
	}
}

func eventsOf(list []*talking, end error) aws.Events[talking] {
	return aws.EventsOf(func(yield func(*talking, error) bool) {
		for _, e := range list {
			if !yield(e, nil) {
				return
			}
		}
		if end != nil {
			yield(nil, end)
		}
	})
}

func collect(events aws.Events[talking]) (list []*talking, err error) {
	for e, failed := range events.All() {
		if failed != nil {
			return list, failed
		}
		list = append(list, e)
	}
	return list, nil
}

var talkProtocols = map[string]model.Protocol{
	"json10": model.JSON10, "json11": model.JSON11, "cbor": model.CBOR, "restjson": model.RestJSON, "restxml": model.RestXML,
}

// conversation serves one exchange of the talk service over HTTP: answer is what it says to what it is told.
func conversation(t *testing.T, p model.Protocol, in *talkInput, answer func(*talkInput) *talkOutput) (*talkOutput, error) {
	t.Helper()
	s := talkAPI(p)
	w := wire.New(s)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		m, bad := w.Route(r, func() ([]byte, error) { return nil, errors.New("nobody may read the body") })
		if bad == nil && !m.Streams() {
			t.Error("it does not stream")
		}
		var in any
		if bad == nil {
			in, bad = m.Decode(r, nil)
		}
		if bad != nil {
			_ = m.WriteError(rw, "REQ", bad)
			return
		}
		_ = m.WriteOutput(rw, "REQ", answer(in.(*talkInput)))
	}))
	t.Cleanup(server.Close)
	r, err := w.EncodeRequest(t.Context(), s.Operation("Talk"), p, server.URL, in)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", strings.TrimPrefix(signed("talk"), "Authorization: "))
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode == 200 && kind != "application/vnd.amazon.eventstream" {
		t.Errorf("content type %s", kind)
	}
	out, err := w.DecodeResponse(s.Operation("Talk"), p, resp)
	if err != nil {
		return nil, err
	}
	return out.(*talkOutput), nil
}

func TestEventsGoBothWays(t *testing.T) {
	for name, p := range talkProtocols {
		t.Run(name, func(t *testing.T) {
			var heard []*talking
			var failed error
			fault := errBroken.New("shelf %d", 7).With(&brokenMembers{Shelf: aws.Some("a")})
			out, err := conversation(t, p, &talkInput{Room: "r", Words: eventsOf(words(), nil)}, func(in *talkInput) *talkOutput {
				if in.Room != "r" {
					t.Errorf("room %q", in.Room)
				}
				heard, failed = collect(in.Words)
				return &talkOutput{Session: aws.Some("s"), Words: eventsOf(heard, fault)}
			})
			if err != nil {
				t.Fatal(err)
			}
			back, err := collect(out.Words)
			if failed != nil || !reflect.DeepEqual(heard, words()) {
				t.Errorf("the service heard %+v, %v", heard, failed)
			}
			if out.Session.V != "s" || !reflect.DeepEqual(back, words()) {
				t.Errorf("the client heard %+v in %+v", back, out.Session)
			}
			e, ok := errors.AsType[*aws.Error](err)
			if !ok || e.ErrorShape != errBroken || e.Message != "shelf 7" || !reflect.DeepEqual(e.Members, fault.Members) {
				t.Errorf("the stream ended with %#v", err)
			}
		})
	}
}

// Each event is there when it was said: the other side says nothing more before that was heard. Whoever listens no more ends it.
func TestEventsArriveAtOnce(t *testing.T) {
	heard, ended := make(chan struct{}), make(chan struct{})
	out, err := conversation(t, model.JSON11, &talkInput{Room: "r"}, func(*talkInput) *talkOutput {
		return &talkOutput{Words: aws.EventsOf(func(yield func(*talking, error) bool) {
			defer close(ended)
			for yield(&talking{Text: &textEvent{Text: aws.Some("x")}}, nil) {
				<-heard
			}
		})}
	})
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range out.Words.All() {
		if err != nil || e.Text.Text.V != "x" {
			t.Errorf("heard %+v %v", e, err)
		}
		break
	}
	close(heard)
	<-ended
}

func TestStreamsThatBreak(t *testing.T) {
	out, err := conversation(t, model.JSON11, &talkInput{Room: "r"}, func(*talkInput) *talkOutput {
		return &talkOutput{Words: eventsOf(words()[:1], io.ErrNoProgress)}
	})
	if err != nil {
		t.Fatal(err)
	}
	list, err := collect(out.Words)
	if e, ok := errors.AsType[*aws.Error](err); len(list) != 1 || !ok || e.Code != "InternalFailure" || strings.Contains(e.Message, "Read") {
		t.Errorf("what is none of the client's business: %v after %d", err, len(list))
	}
	if out, err = conversation(t, model.JSON11, &talkInput{Room: "r"}, func(*talkInput) *talkOutput { return &talkOutput{} }); err != nil {
		t.Fatal(err)
	}
	if list, err := collect(out.Words); len(list) != 0 || err != nil {
		t.Errorf("a stream that is not there: %v %v", list, err)
	}
}

// frames are messages as they go over the wire.
func frames(t testing.TB, list ...eventstream.Message) []byte {
	var b []byte
	for i := range list {
		var err error
		if b, err = eventstream.Append(b, &list[i]); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func message(kind, event, payload string) eventstream.Message {
	return eventstream.Message{Payload: []byte(payload), Headers: []eventstream.Header{
		eventstream.TextHeader(":message-type", kind), eventstream.TextHeader(":event-type", event),
	}}
}

func TestInputStreamsThatAreRefused(t *testing.T) {
	whole := frames(t, message("event", "initial-request", `{"room":"r"}`), message("event", "word", `{"Said":"a"}`))
	for name, c := range map[string]struct {
		body  []byte
		first bool // the first message is refused already
		code  string
	}{
		"nothing":           {nil, true, "IncompleteBody"},
		"no messages":       {[]byte(strings.Repeat("nonsense", 4)), true, "SerializationException"},
		"no first message":  {frames(t, message("event", "word", `{}`)), true, "SerializationException"},
		"no JSON":           {frames(t, message("event", "initial-request", `{"room":`)), true, "SerializationException"},
		"no room":           {frames(t, message("event", "initial-request", `{}`)), true, "ValidationException"},
		"an end too early":  {whole[:len(whole)-1], false, "IncompleteBody"},
		"a damaged message": {append(bytes.Clone(whole[:len(whole)-1]), whole[len(whole)-1]^1), false, "SerializationException"},
		"no event's JSON":   {append(bytes.Clone(whole), frames(t, message("event", "word", `[]`))...), false, "SerializationException"},
	} {
		w := wire.New(talkAPI(model.JSON11))
		r := request("POST", "/", string(c.body), "X-Amz-Target: Talk.Talk")
		m, bad := w.Route(r, nil)
		if bad != nil {
			t.Fatal(bad)
		}
		in, bad := m.Decode(r, nil)
		var err error
		if bad != nil {
			err = bad
		}
		if c.first != (err != nil) {
			t.Errorf("%s: at once %v", name, bad)
		}
		if err == nil {
			_, err = collect(in.(*talkInput).Words)
		}
		if e, ok := errors.AsType[*aws.Error](err); !ok || e.Code != c.code {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	// An event that a later version of the model has is left out; an empty message is the end of a stream whose messages are signed.
	w := wire.New(talkAPI(model.JSON11))
	body := frames(t, message("event", "initial-request", `{"room":"r"}`), message("event", "Later", `{}`), message("event", "End", ""), eventstream.Message{}, message("event", "End", ""))
	r := request("POST", "/", string(body), "X-Amz-Target: Talk.Talk")
	m, _ := w.Route(r, nil)
	in, bad := m.Decode(r, nil)
	if bad != nil {
		t.Fatal(bad)
	}
	if list, err := collect(in.(*talkInput).Words); err != nil || len(list) != 1 || list[0].End == nil {
		t.Errorf("heard %v %v", list, err)
	}
}

// FuzzEvents reads whatever comes as an answer: it must end in events or in an error, whatever the protocol.
func FuzzEvents(f *testing.F) {
	first := message("event", "initial-response", `{"session":"s"}`)
	f.Add(frames(f, first, message("event", "word", `{"Said":"a"}`), message("exception", "", `{}`)))
	f.Add(frames(f, first, message("error", "", "")))
	f.Add(frames(f, message("event", "initial-response", "\xa0"), message("event", "word", "\xa1\x64Said\x61a")))
	f.Add(frames(f, message("event", "Whole", "<a><name>x</name></a>")))
	f.Fuzz(func(t *testing.T, b []byte) {
		for p := model.JSON10; p <= model.CBOR11; p++ {
			if p == model.Query || p == model.EC2 {
				continue // they have no event streams
			}
			s := talkAPI(p)
			w := wire.New(s)
			out, err := w.DecodeResponse(s.Operation("Talk"), p, &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(b))})
			if err != nil {
				continue
			}
			list, err := collect(out.(*talkOutput).Words)
			for _, e := range list {
				if e == nil {
					t.Fatalf("protocol %d: an event that is nothing, %v", p, err)
				}
			}
		}
	})
}
