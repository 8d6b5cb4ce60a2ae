package trustpolicy

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxLine is the longest question that EvalLines reads, in bytes.
const maxLine = 1 << 20

// answer is one line of output. Statement is null when no statement decided.
type answer struct {
	ID        json.RawMessage `json:"id,omitempty"`
	Decision  Verdict         `json:"decision"`
	Statement *int            `json:"statement"`
	Sid       string          `json:"sid,omitempty"`
	Condition string          `json:"condition"`
	Reason    Reason          `json:"reason"`
	Note      string          `json:"note,omitempty"`
}

type complaint struct {
	ID    json.RawMessage `json:"id,omitempty"`
	Error string          `json:"error"`
}

// EvalLines answers questions, one JSON object per line: {id?, policy, action?,
// principal, context}. Policy is an object or a string that holds JSON;
// principal the ARN of a SAML provider, or {"Federated"|"AWS"|"Service": name};
// context maps condition keys to a string or a list; action is
// sts:AssumeRoleWithSAML unless given. Every line gets one answer line, in
// order: {id?, decision, statement, condition, reason} or {id?, error}. The
// error returned is one of reading or writing.
func EvalLines(r io.Reader, w io.Writer) error {
	in, out := bufio.NewReaderSize(r, 64<<10), bufio.NewWriter(w)
	for {
		line, long, err := readLine(in)
		if errors.Is(err, io.EOF) {
			return out.Flush()
		}
		if err != nil {
			return fmt.Errorf("read a question: %w", err)
		}
		reply := []byte(fmt.Sprintf(`{"error":"the line is longer than %d bytes"}`, maxLine))
		if !long {
			reply = Eval(line)
		}
		if _, err := out.Write(append(reply, '\n')); err != nil {
			return fmt.Errorf("write an answer: %w", err)
		}
		if in.Buffered() == 0 {
			if err := out.Flush(); err != nil {
				return fmt.Errorf("write an answer: %w", err)
			}
		}
	}
}

// readLine returns the next line without its end; of one that is too long it
// reads to the end and keeps nothing.
func readLine(in *bufio.Reader) (line []byte, long bool, err error) {
	started := false
	for {
		part, err := in.ReadSlice('\n')
		started = started || len(part) > 0
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			if !started {
				return nil, false, io.EOF
			}
		case err != nil:
			return nil, false, err
		}
		if !long {
			line = append(line, part...)
		}
		if long = long || len(bytes.TrimRight(line, "\r\n")) > maxLine; long {
			line = nil
		}
		if err == nil || errors.Is(err, io.EOF) {
			return line, long, nil
		}
	}
}

// Eval answers one question of the form that EvalLines documents, without the
// line's end.
func Eval(question []byte) []byte {
	var q struct {
		id   json.RawMessage
		body *node
	}
	text := strings.TrimSpace(string(question))
	fail := func(err error) []byte { return encode(complaint{q.id, err.Error()}) }
	if text == "" {
		return fail(errors.New("the line is empty; expected an object with policy, principal and context"))
	}
	root, err := parseJSON(text)
	if err != nil {
		return fail(fmt.Errorf("the line cannot be read: %w", strip(err)))
	}
	if root.kind != isObject {
		return fail(fmt.Errorf("the line must be an object, this is %s", root.kind))
	}
	if id := root.get("id"); id != nil {
		q.id = json.RawMessage(text[id.start:id.end])
	}
	p, req, err := readQuestion(text, root)
	if err != nil {
		return fail(err)
	}
	d := p.decide(req)
	a := answer{ID: q.id, Decision: d.Verdict, Sid: d.Sid, Condition: d.Condition, Reason: d.Reason, Note: d.Note}
	if d.Statement >= 0 {
		a.Statement = &d.Statement
	}
	return encode(a)
}

// strip leaves out that a question is "not a trust policy".
func strip(err error) error {
	var p *ParseError
	if errors.As(err, &p) {
		return errors.New(strings.TrimPrefix(p.Error(), "not a trust policy: "))
	}
	return err
}

func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return []byte(`{"error":"the answer cannot be written"}`)
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

func readQuestion(text string, root *node) (Policy, request, error) {
	req := request{action: AssumeRoleWithSAML}
	policy := root.get("policy")
	if policy == nil {
		return Policy{}, req, errors.New("the line has no policy")
	}
	source := text[policy.start:policy.end]
	if policy.kind == isString {
		source = policy.text
	} else if policy.kind != isObject {
		return Policy{}, req, fmt.Errorf("policy must be an object or a string of JSON, this is %s", policy.kind)
	}
	p, err := Parse(source)
	if err != nil {
		return Policy{}, req, err
	}
	if a := root.get("action"); a != nil && a.kind != isNull {
		if a.kind != isString || a.text == "" {
			return p, req, errors.New("action must be a string such as \"sts:AssumeRoleWithSAML\"")
		}
		req.action = a.text
	}
	if req.caller, err = readCaller(root.get("principal")); err != nil {
		return p, req, err
	}
	req.keys, err = readContext(root.get("context"))
	return p, req, err
}

func readCaller(n *node) (principal, error) {
	const want = "principal must be the ARN of a SAML provider or {\"Federated\"|\"AWS\"|\"Service\": \"...\"}"
	if n == nil {
		return principal{}, errors.New("the line has no principal: " + want)
	}
	if n.kind == isString && n.text != "" {
		return principal{federated, n.text}, nil
	}
	if n.kind != isObject || len(n.members) != 1 {
		return principal{}, errors.New(want)
	}
	m := n.members[0]
	v := m.value
	if v.kind == isList && len(v.items) == 1 {
		v = v.items[0]
	}
	kind := principalKind(m.key)
	if v.kind != isString || v.text == "" || (kind != federated && kind != awsKind && kind != service) {
		return principal{}, errors.New(want)
	}
	return principal{kind, v.text}, nil
}

func readContext(n *node) (map[string][]string, error) {
	out := map[string][]string{}
	if n == nil || n.kind == isNull {
		return out, nil
	}
	if n.kind != isObject {
		return nil, fmt.Errorf("context must be an object, this is %s", n.kind)
	}
	for _, m := range n.members {
		key := strings.ToLower(m.key)
		if _, twice := out[key]; twice {
			return nil, fmt.Errorf("the context gives the key %q twice (keys are compared without regard to case)", clip(m.key))
		}
		values, err := stringList(m.value, fmt.Sprintf("the context value of %q", clip(m.key)))
		if err != nil {
			return nil, strip(err)
		}
		out[key] = values
	}
	return out, nil
}
