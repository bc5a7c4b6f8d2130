package insights

import "strings"

// Fields that AWS discovers in the logs of its own services, which are no JSON. The names of VPC flow logs and of Route 53's query
// logs stand in the order in which the words of a line have them.
const (
	flowNames  = "version accountId interfaceId srcAddr dstAddr srcPort dstPort protocol packets bytes startTime endTime action logStatus"
	queryNames = "version queryTimestamp hostZoneId queryName queryType responseCode protocol edgeLocation resolverIp ednsClientSubnet"
)

func position(names, name string) int {
	i := 0
	for n := range strings.FieldsSeq(names) {
		if n == name {
			return i
		}
		i++
	}
	return -1
}

func wordAt(line string, n int) value {
	i := 0
	for w := range strings.FieldsSeq(line) {
		if i == n {
			return textOf(w)
		}
		i++
	}
	return value{}
}

// isFlow and isQuery know the lines of flow logs and of query logs by their form.
func isFlow(m string) bool {
	return len(m) > 2 && m[0] >= '2' && m[0] <= '9' && strings.Count(m, " ") == 13 && strings.Contains(m, " eni-")
}

func isQuery(m string) bool {
	return strings.HasPrefix(m, "1.") && strings.Count(m, " ") == 9
}

// discover finds a field in a message that is no JSON.
func discover(message, name string) value {
	if n := position(flowNames, name); n >= 0 && isFlow(message) {
		return wordAt(message, n)
	}
	if n := position(queryNames, name); n >= 0 && isQuery(message) {
		return wordAt(message, n)
	}
	return value{}
}

const failureField = "@transformationError"

// ofFailure is why an event could not be transformed.
func ofFailure(e *Event) value {
	if e.Failure == "" {
		return value{}
	}
	return textOf(e.Failure)
}

// lambdaNames are the fields that AWS discovers in the logs of Lambda functions.
func lambdaNames() []string {
	return []string{"@requestId", "@type", "@duration", "@billedDuration", "@initDuration", "@memorySize", "@maxMemoryUsed", "@xrayTraceId", "@xraySegmentId"}
}

// ofLambda finds a field in a line that Lambda, or a runtime's logger, wrote.
func ofLambda(e *Event, name string) value {
	m := e.Message
	kind, rest, ok := strings.Cut(m, " RequestId: ")
	if !ok || kind != "START" && kind != "END" && kind != "REPORT" {
		if name != "@requestId" || !fromLambda(e) {
			return value{}
		}
		for w := range strings.SplitSeq(m, "\t") { // time, request, level, text
			if len(w) == 36 && w[8] == '-' && w[13] == '-' && w[18] == '-' && w[23] == '-' {
				return textOf(w)
			}
		}
		return value{}
	}
	label, unit := "", 1.0
	switch name {
	case "@type":
		return textOf(kind)
	case "@requestId":
		end := strings.IndexAny(rest, " \t\r\n")
		if end < 0 {
			end = len(rest)
		}
		return textOf(rest[:end])
	case "@duration":
		label = "\tDuration: "
	case "@billedDuration":
		label = "\tBilled Duration: "
	case "@initDuration":
		label = "\tInit Duration: "
	case "@memorySize":
		label, unit = "\tMemory Size: ", 1e6
	case "@maxMemoryUsed":
		label, unit = "\tMax Memory Used: ", 1e6
	case "@xrayTraceId":
		return after(m, "XRAY TraceId: ")
	case "@xraySegmentId":
		return after(m, "SegmentId: ")
	}
	v := after(m, label)
	n, ok := v.number()
	if !ok {
		return value{}
	}
	return numberOf(n * unit)
}

func after(m, label string) value {
	_, rest, ok := strings.Cut(m, label)
	if !ok {
		return value{}
	}
	if end := strings.IndexAny(rest, " \t\r\n"); end >= 0 {
		rest = rest[:end]
	}
	return textOf(rest)
}

// fromLambda tells by its group whether a Lambda function wrote an event: in those AWS finds JSON behind other text too.
func fromLambda(e *Event) bool {
	_, group, ok := strings.Cut(e.Group, ":")
	if !ok {
		group = e.Group
	}
	return strings.HasPrefix(group, "/aws/lambda/")
}

// document is the part of a message that is JSON, or nothing.
func document(e *Event) string {
	m := e.Message
	for len(m) > 0 && (m[0] == ' ' || m[0] == '\t' || m[0] == '\n' || m[0] == '\r') {
		m = m[1:]
	}
	if len(m) > 1 && m[0] == '{' {
		if c := m[len(m)-1]; c != '}' && c > ' ' {
			return ""
		}
		return m
	}
	if len(m) > 1 && m[0] == '[' {
		return ""
	}
	if fromLambda(e) {
		if i := strings.IndexByte(m, '{'); i > 0 {
			return m[i:]
		}
	}
	return ""
}
