package samlfailover_test

import (
	"testing"
	"testing/fstest"
)

// Saboteurs: documents whose links lead nowhere, beside their sound neighbours.
func TestDeadLinks(t *testing.T) {
	t.Parallel()
	const other = "# The *API*: `move`, and undo\n\n## Back\n\n## Back\n\n```sh\n# Not a heading\n```\n<a id=\"old\"></a>\n"
	for _, tt := range []struct {
		why, text string
		dead      int
	}{
		{"a file that is there", "[x](docs/other.md)", 0},
		{"a folder that is there", "[x](docs/)", 0},
		{"a heading with punctuation and code", "[x](docs/other.md#the-api-move-and-undo)", 0},
		{"the second of two headings that are alike", "[x](docs/other.md#back-1)", 0},
		{"an anchor written as such", "[x](docs/other.md#old)", 0},
		{"a heading of its own", "# Here\n[x](#here)", 0},
		{"another site's", "[x](https://example.com/none#none)", 0},
		{"an example in a code block", "```text\n[x](none.md)\n```\n", 0},
		{"an example in a line of code", "write `[x](none.md)`", 0},
		{"a file that is not there", "[x](docs/none.md)", 1},
		{"a file that is not there, by reference", "[x][y]\n\n[y]: docs/none.md\n", 1},
		{"a file that is not there, with a title", `[x](docs/none.md "title")`, 1},
		{"a link behind an indented block", "1. a\n\n   ```sh\n   b\n   ```\n\n[x](none.md)\n\n```sh\nc\n```\n", 1},
		{"a heading that is not there", "[x](docs/other.md#forth)", 1},
		{"a third heading where there are two", "[x](docs/other.md#back-2)", 1},
		{"a comment of a code block, which is no heading", "[x](docs/other.md#not-a-heading)", 1},
		{"a heading that its own document does not have", "# Here\n[x](#there)", 1},
		{"a heading of a folder", "[x](docs#here)", 1},
		{"two that are dead in one line", "[x](none.md) [`y`](docs/other.md#none)", 2},
	} {
		t.Run(tt.why, func(t *testing.T) {
			t.Parallel()
			world := fstest.MapFS{"README.md": {Data: []byte(tt.text)}, "docs/other.md": {Data: []byte(other)}}
			dead, err := deadLinks(world, "README.md")
			if err != nil {
				t.Fatal(err)
			}
			if len(dead) != tt.dead {
				t.Errorf("dead links: %q, want %d", dead, tt.dead)
			}
		})
	}
}
