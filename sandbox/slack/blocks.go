package slack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// What Block Kit allows ("Reference: Block Kit").
const (
	mostBlocks   = 50
	mostSection  = 3000
	mostHeader   = 150
	mostElements = 25
	mostLabel    = 75
	mostValue    = 2000
	mostID       = 255
	mostText     = 40000
	mostOfAll    = 13200 // characters over all blocks: msg_blocks_too_long, seen rather than documented
)

// Block is a block of a message: a section, a row of actions, a header, a
// divider or a context.
type Block struct {
	Type     string    `json:"type"`
	ID       string    `json:"block_id,omitempty"`
	Text     *Text     `json:"text,omitempty"`
	Elements []Element `json:"elements,omitempty"`
}

// Text is a text object.
type Text struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Verbatim *bool  `json:"verbatim,omitempty"`
	Emoji    *bool  `json:"emoji,omitempty"`
}

// Element is a button.
type Element struct {
	Type    string   `json:"type"`
	Text    Text     `json:"text"`
	Action  string   `json:"action_id"`
	Value   string   `json:"value,omitempty"`
	Style   string   `json:"style,omitempty"`
	Confirm *Confirm `json:"confirm,omitempty"`
}

// Confirm is the question before a click counts.
type Confirm struct {
	Title   Text   `json:"title"`
	Text    Text   `json:"text"`
	Confirm Text   `json:"confirm"`
	Deny    Text   `json:"deny"`
	Style   string `json:"style,omitempty"`
}

// content is what a message says.
type content struct {
	Text   string  `json:"text"`
	Blocks []Block `json:"blocks"`
}

// strict decodes one JSON object without unknown keys.
func strict(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON object")
	}
	return nil
}

// check returns Slack's word for what is wrong with a content, "" for nothing.
func (c content) check() (word string, why error) {
	switch {
	case c.Text == "" && len(c.Blocks) == 0:
		return "no_text", errors.New("neither text nor blocks")
	case utf8.RuneCountInString(c.Text) > mostText:
		return "msg_too_long", fmt.Errorf("a text of more than %d characters", mostText)
	case len(c.Blocks) > mostBlocks:
		return "invalid_blocks", fmt.Errorf("%d blocks", len(c.Blocks))
	}
	all := 0
	var ids []string
	for i, b := range c.Blocks {
		if err := b.check(); err != nil {
			return "invalid_blocks", fmt.Errorf("block %d: %w", i, err)
		}
		if b.ID != "" && slices.Contains(ids, b.ID) {
			return "invalid_blocks", fmt.Errorf("block %d: its id stands twice", i)
		}
		ids = append(ids, b.ID)
		if b.Text != nil {
			all += utf8.RuneCountInString(b.Text.Text)
		}
	}
	if all > mostOfAll {
		return "msg_blocks_too_long", fmt.Errorf("%d characters in all blocks", all)
	}
	return "", nil
}

func (b Block) check() error {
	switch {
	case len(b.ID) > mostID:
		return errors.New("block_id is too long")
	case b.Type == "divider":
		return nil
	case b.Type == "section" && len(b.Elements) > 0, b.Type == "actions" && b.Text != nil:
		return fmt.Errorf("a block of type %s has no such field", b.Type)
	case b.Type == "section":
		if b.Text == nil {
			return errors.New("a section without a text")
		}
		return b.Text.check(mostSection, "mrkdwn", "plain_text")
	case b.Type == "header":
		if b.Text == nil {
			return errors.New("a header without a text")
		}
		return b.Text.check(mostHeader, "plain_text")
	case b.Type != "actions":
		return fmt.Errorf("%q is no type of block that is known here", b.Type)
	case len(b.Elements) == 0 || len(b.Elements) > mostElements:
		return fmt.Errorf("%d elements in one block", len(b.Elements))
	}
	var ids []string
	for _, e := range b.Elements {
		if err := e.check(); err != nil {
			return err
		}
		if slices.Contains(ids, e.Action) {
			return errors.New("an action_id stands twice in a block")
		}
		ids = append(ids, e.Action)
	}
	return nil
}

func (e Element) check() error {
	switch {
	case e.Type != "button":
		return fmt.Errorf("%q is no element that is known here", e.Type)
	case e.Action == "" || len(e.Action) > mostID:
		return errors.New("a button's action_id is missing or too long")
	case utf8.RuneCountInString(e.Value) > mostValue:
		return errors.New("a button's value is too long")
	case e.Style != "" && e.Style != "primary" && e.Style != "danger":
		return fmt.Errorf("%q is no style of a button", e.Style)
	}
	if err := e.Text.check(mostLabel, "plain_text"); err != nil {
		return err
	}
	if e.Confirm == nil {
		return nil
	}
	return errors.Join(e.Confirm.Title.check(100, "plain_text"), e.Confirm.Text.check(300, "plain_text", "mrkdwn"),
		e.Confirm.Confirm.check(30, "plain_text"), e.Confirm.Deny.check(30, "plain_text"))
}

func (t Text) check(most int, types ...string) error {
	n := utf8.RuneCountInString(t.Text)
	switch {
	case !slices.Contains(types, t.Type):
		return fmt.Errorf("a text of type %q cannot stand here", t.Type)
	case n == 0 || n > most:
		return fmt.Errorf("a text of %d characters, of 1 to %d", n, most)
	case t.Type == "plain_text" && t.Verbatim != nil, t.Type == "mrkdwn" && t.Emoji != nil:
		return fmt.Errorf("a text of type %s has no such field", t.Type)
	}
	return nil
}
