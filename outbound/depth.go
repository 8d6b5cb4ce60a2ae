package outbound

// DeeperThan reports whether JSON text nests arrays and objects deeper than
// limit. It looks at brackets outside strings only, so it is safe on text that
// is not valid JSON; what it returns there does not matter, the parser refuses.
func DeeperThan(text []byte, limit int) bool {
	depth, inString := 0, false
	for i := 0; i < len(text); i++ {
		c := text[i]
		if inString {
			switch c {
			case '\\':
				i++
			case '"':
				inString = false
			}
			continue
		}
		switch c {
		case '"':
			inString = true
		case '{', '[':
			if depth++; depth > limit {
				return true
			}
		case '}', ']':
			depth--
		}
	}
	return false
}
