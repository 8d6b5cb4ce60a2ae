package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	yaml "go.yaml.in/yaml/v4"
)

// compile returns the schema as an independent validator understands it.
func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("config.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("config.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSchemaAcceptsWhatLoadAccepts(t *testing.T) {
	t.Parallel()
	s := compile(t)
	for _, file := range append(folder(t, "doubt"), filepath.Join("testdata", "good.yaml")) {
		if err := s.Validate(instance(t, file)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// A schema cannot see what lies between two values; these faults it must see.
func TestSchemaRefusesWhatASchemaCanSee(t *testing.T) {
	t.Parallel()
	s := compile(t)
	for _, name := range []string{"unknown-key", "unknown-key-far", "missing-key", "list-for-text", "text-for-list", "number-for-text", "not-a-bool",
		"not-a-whole-number", "number-out-of-bounds", "share-out-of-bounds", "duration-without-unit", "not-a-duration", "empty-text", "not-an-allowed-word",
		"bad-name", "bad-account-id", "too-few-regions", "no-apps", "region-twice", "unknown-region", "literal-token", "secret-key-as-key-id", "null-value"} {
		if err := s.Validate(instance(t, filepath.Join("testdata", "bad", name+".yaml"))); err == nil {
			t.Errorf("%s: the schema accepts it", name)
		}
	}
}

// instance reads a YAML file as JSON-like values.
func instance(t *testing.T, file string) any {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := yaml.Unmarshal(data, &v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return v
}

// The committed schema and reference are what the types say today.
func TestGeneratedDocs(t *testing.T) {
	t.Parallel()
	golden(t, filepath.Join("..", "docs", "config.schema.json"), string(Schema()))
	golden(t, filepath.Join("..", "docs", "config.md"), string(Reference()))
	if n := strings.Count(string(Schema()), `"description": `); n < 50 {
		t.Errorf("only %d descriptions in the schema", n)
	}
}
