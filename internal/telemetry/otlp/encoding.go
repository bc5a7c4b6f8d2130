package otlp

import (
	"encoding/binary"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/obidos-cloud/obidos/internal/telemetry"
)

// attribute is a name and a text or number.
type attribute struct {
	key, text string
	number    int64
	isNumber  bool
}

// The numbers of OTLP's enumerations.
const (
	kindInternal = 1
	kindServer   = 2
	statusError  = 2
)

// library is what we say made the spans.
const library = "github.com/obidos-cloud/obidos"

func name(s *telemetry.Span) string { return s.Service + "/" + s.Operation }

func kind(s *telemetry.Span) int {
	if s.Inner {
		return kindInternal
	}
	return kindServer
}

// attributes are a span's, by OpenTelemetry's conventions.
func attributes(s *telemetry.Span) []attribute {
	list := []attribute{
		{key: "rpc.system", text: "aws-api"},
		{key: "rpc.service", text: s.Service},
		{key: "rpc.method", text: s.Operation},
		{key: "http.response.status_code", number: int64(s.Status), isNumber: true},
	}
	for _, a := range []attribute{
		{key: "aws.request_id", text: s.Request},
		{key: "cloud.account.id", text: s.Scope.Account},
		{key: "cloud.region", text: s.Scope.Region},
		{key: "enduser.id", text: s.Principal},
		{key: "cloud.resource_id", text: s.Resource},
		{key: "error.type", text: s.Code},
	} {
		if a.text != "" {
			list = append(list, a)
		}
	}
	return list
}

// failed reports whether a span is an error by OpenTelemetry's conventions: of a server, only what is its own fault.
func failed(s *telemetry.Span) bool { return s.Status >= http.StatusInternalServerError }

// jsonBody is the request in OTLP's JSON: ids in hexadecimal, 64-bit numbers as strings.
func (e *Exporter) jsonBody(spans []telemetry.Span) []byte {
	type object = map[string]any
	values := func(list []attribute) []object {
		out := make([]object, len(list))
		for i, a := range list {
			v := object{"stringValue": a.text}
			if a.isNumber {
				v = object{"intValue": strconv.FormatInt(a.number, 10)}
			}
			out[i] = object{"key": a.key, "value": v}
		}
		return out
	}
	list := make([]object, len(spans))
	for i := range spans {
		s := &spans[i]
		o := object{
			"traceId": s.Trace.String(), "spanId": s.ID.String(), "name": name(s), "kind": kind(s),
			"startTimeUnixNano": strconv.FormatInt(s.Start.UnixNano(), 10),
			"endTimeUnixNano":   strconv.FormatInt(s.Start.Add(s.Took).UnixNano(), 10),
			"attributes":        values(attributes(s)),
		}
		if s.Parent != (telemetry.SpanID{}) {
			o["parentSpanId"] = s.Parent.String()
		}
		if failed(s) {
			o["status"] = object{"code": statusError, "message": s.Code}
		}
		list[i] = o
	}
	body, err := json.Marshal(object{"resourceSpans": []object{{
		"resource":   object{"attributes": values(e.resource)},
		"scopeSpans": []object{{"scope": object{"name": library}, "spans": list}},
	}}})
	if err != nil {
		panic(err) // of strings and numbers
	}
	return body
}

// The wire types of protobuf.
const (
	varint  = 0
	fixed64 = 1
	bytesOf = 2
)

func appendTag(b []byte, field, wire int) []byte {
	return binary.AppendUvarint(b, uint64(field<<3|wire))
}

func appendBytes[T string | []byte](b []byte, field int, v T) []byte {
	b = binary.AppendUvarint(appendTag(b, field, bytesOf), uint64(len(v)))
	return append(b, v...)
}

func appendVarint(b []byte, field int, v uint64) []byte {
	return binary.AppendUvarint(appendTag(b, field, varint), v)
}

func appendFixed64(b []byte, field int, v uint64) []byte {
	return binary.LittleEndian.AppendUint64(appendTag(b, field, fixed64), v)
}

// appendAttributes writes KeyValue messages.
func appendAttributes(b []byte, field int, list []attribute) []byte {
	var value, pair []byte
	for _, a := range list {
		if value = value[:0]; a.isNumber {
			value = appendVarint(value, 3, uint64(a.number))
		} else {
			value = appendBytes(value, 1, a.text)
		}
		pair = appendBytes(pair[:0], 1, a.key)
		pair = appendBytes(pair, 2, value)
		b = appendBytes(b, field, pair)
	}
	return b
}

// protobuf is the request as an ExportTraceServiceRequest.
func (e *Exporter) protobuf(spans []telemetry.Span) []byte {
	scope := appendBytes(nil, 1, appendBytes(nil, 1, library))
	var one []byte
	for i := range spans {
		s := &spans[i]
		one = appendBytes(one[:0], 1, s.Trace[:])
		one = appendBytes(one, 2, s.ID[:])
		if s.Parent != (telemetry.SpanID{}) {
			one = appendBytes(one, 4, s.Parent[:])
		}
		one = appendBytes(one, 5, name(s))
		one = appendVarint(one, 6, uint64(kind(s)))
		one = appendFixed64(one, 7, uint64(s.Start.UnixNano()))
		one = appendFixed64(one, 8, uint64(s.Start.Add(s.Took).UnixNano()))
		one = appendAttributes(one, 9, attributes(s))
		if failed(s) {
			one = appendBytes(one, 15, appendVarint(appendBytes(nil, 2, s.Code), 3, statusError))
		}
		scope = appendBytes(scope, 2, one)
	}
	resource := appendBytes(nil, 1, appendAttributes(nil, 1, e.resource))
	return appendBytes(nil, 1, appendBytes(resource, 2, scope))
}
