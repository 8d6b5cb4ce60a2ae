package onelogin

import "sync"

// mostJudged bounds how many validators are remembered: a tenant has a few kinds.
const mostJudged = 256

// judgements remember what judge has found, which takes it some 20 ms each and
// depends on nothing but the pattern. A move describes each app several times
// while somebody waits. Safe for concurrent use; the zero value is ready.
type judgements struct {
	mu   sync.Mutex
	kept map[string]judgement
}

type judgement struct {
	rule rule
	err  error
}

// judged is of the whole program, as what it holds is true in all of it.
var judged judgements

// of is judge, remembered. Nobody waits for another's pattern.
func (j *judgements) of(pattern string) (rule, error) {
	j.mu.Lock()
	known, ok := j.kept[pattern]
	j.mu.Unlock()
	if ok {
		return known.rule, known.err
	}
	r, err := judge(pattern)
	if len(pattern) > longestPattern {
		return r, err // refused at once, and not worth its room
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.kept == nil || len(j.kept) >= mostJudged {
		j.kept = map[string]judgement{}
	}
	j.kept[pattern] = judgement{r, err}
	return r, err
}
