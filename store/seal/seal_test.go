package seal

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/samlfailover/samlfailover/finding"
	"github.com/samlfailover/samlfailover/secret"
)

// fixed returns a key that is the same in every run.
func fixed(first byte) secret.Value {
	raw := make([]byte, keyBytes)
	for i := range raw {
		raw[i] = first + byte(i)
	}
	return secret.New(base64.StdEncoding.EncodeToString(raw))
}

func codec(t testing.TB, current secret.Value, earlier ...secret.Value) *Codec {
	t.Helper()
	c, err := New(current, earlier...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// both seals body in both ways.
func both(t testing.TB, c *Codec, name string, body []byte) (signed, encrypted []byte) {
	t.Helper()
	signed, _ = c.Sign(name, body)
	encrypted, _, err := c.Encrypt(name, body)
	if err != nil {
		t.Fatal(err)
	}
	return signed, encrypted
}

// refused reports whether an error is what a bad value must get.
func refused(err error, name string) bool {
	f, ok := finding.From(err)
	return errors.Is(err, ErrIntegrity) && ok && f.Code == finding.StoreIntegrity && strings.Contains(f.Subject, name)
}

// spec 11.1, 11.2: what was sealed comes back, whatever it is.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	c := codec(t, fixed(1))
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		body := bytes.Repeat(rapid.SliceOf(rapid.Byte()).Draw(t, "body"), rapid.IntRange(1, 400).Draw(t, "times"))
		s, tag := c.Sign(name, body)
		got, again, err := c.Verify(name, s)
		if err != nil || !bytes.Equal(got, body) || tag != again {
			t.Fatalf("signed: %v", err)
		}
		e, tag, err := c.Encrypt(name, body)
		if err != nil {
			t.Fatal(err)
		}
		got, again, err = c.Decrypt(name, e)
		if err != nil || !bytes.Equal(got, body) || tag != again {
			t.Fatalf("encrypted: %v", err)
		}
	})
}

// spec 11.1: any change of any bit, and any other name, is refused and named.
func TestTampering(t *testing.T) {
	t.Parallel()
	c := codec(t, fixed(1))
	for _, body := range [][]byte{[]byte(`{"to":"us-west-2"}`), bytes.Repeat([]byte("long and dull "), 500), nil} {
		signed, encrypted := both(t, c, "journal/corp", body)
		for at := range signed {
			bad := bytes.Clone(signed)
			bad[at] ^= 1
			if _, _, err := c.Verify("journal/corp", bad); !refused(err, "journal/corp") {
				t.Fatalf("signed, byte %d: %v", at, err)
			}
		}
		for at := range encrypted {
			bad := bytes.Clone(encrypted)
			bad[at] ^= 1
			if _, _, err := c.Decrypt("journal/corp", bad); !refused(err, "journal/corp") {
				t.Fatalf("encrypted, byte %d: %v", at, err)
			}
		}
		for n := range signed {
			if _, _, err := c.Verify("journal/corp", signed[:n]); !refused(err, "journal/corp") {
				t.Fatalf("signed, cut at %d: %v", n, err)
			}
		}
		for n := range encrypted {
			if _, _, err := c.Decrypt("journal/corp", encrypted[:n]); !refused(err, "journal/corp") {
				t.Fatalf("encrypted, cut at %d: %v", n, err)
			}
		}
		for _, other := range []string{"journal/corp2", "", "journal/cor"} {
			_, _, errS := c.Verify(other, signed)
			_, _, errE := c.Decrypt(other, encrypted)
			if !errors.Is(errS, ErrIntegrity) || !errors.Is(errE, ErrIntegrity) {
				t.Errorf("under the name %q: %v, %v", other, errS, errE)
			}
		}
		_, _, errS := c.Verify("journal/corp", encrypted)
		_, _, errE := c.Decrypt("journal/corp", signed)
		if !errors.Is(errS, ErrIntegrity) || !errors.Is(errE, ErrIntegrity) {
			t.Errorf("one kind for the other: %v, %v", errS, errE)
		}
	}
}

// The saboteur: a codec that leaves the name out of the tag lets values change
// places; the check above must be able to see that.
func TestNameIsBound(t *testing.T) {
	t.Parallel()
	c := codec(t, fixed(1))
	head := append([]byte{modeSigned}, c.current.id...)
	packed := pack([]byte("x"))
	nameless := append(append(bytes.Clone(head), c.current.tag(head, "", packed)...), packed...)
	if _, _, err := c.Verify("a", nameless); !refused(err, "a") {
		t.Errorf("a tag without the name passes: %v", err)
	}
	// Name and body must not run into each other.
	if bytes.Equal(c.current.tag(head, "ab", []byte("c")), c.current.tag(head, "a", []byte("bc"))) {
		t.Error("name and body are joined without a border")
	}
}

// spec 11.2: what is encrypted shows nothing, and never twice the same.
func TestEncryptedHides(t *testing.T) {
	t.Parallel()
	c := codec(t, fixed(1))
	_, one := both(t, c, "k", []byte("MARKER"))
	_, two := both(t, c, "k", []byte("MARKER"))
	if bytes.Contains(one, []byte("MARKER")) || bytes.Equal(one, two) {
		t.Error("the ciphertext tells something")
	}
}

// A rotated key seals from now on; what the former one sealed stays readable
// while it is listed.
func TestRotation(t *testing.T) {
	t.Parallel()
	old, rotated, forgot := codec(t, fixed(1)), codec(t, fixed(50), fixed(1)), codec(t, fixed(50))
	signed, encrypted := both(t, old, "k", []byte("x"))
	if _, _, err := rotated.Verify("k", signed); err != nil {
		t.Error(err)
	}
	if _, _, err := rotated.Decrypt("k", encrypted); err != nil {
		t.Error(err)
	}
	if _, _, err := forgot.Verify("k", signed); !refused(err, "k") || !strings.Contains(err.Error(), old.KeyID()) {
		t.Errorf("without the former key: %v", err)
	}
	tags := []Tag{"a", "b"}
	if want := old.Digest("k", tags); !rotated.SameDigest("k", tags, want) || forgot.SameDigest("k", tags, want) || rotated.SameDigest("k", []Tag{"ab"}, want) {
		t.Error("digests do not follow the keys")
	}
	if s, _ := rotated.Sign("k", nil); hex.EncodeToString(s[1:headBytes]) != rotated.KeyID() || rotated.KeyID() == old.KeyID() {
		t.Error("the new key does not seal")
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	raw, _ := base64.StdEncoding.DecodeString(fixed(1).Reveal())
	rows := []struct {
		name, text, want string
	}{
		{"base64", fixed(1).Reveal() + "\n", ""},
		{"hex", hex.EncodeToString(raw), ""},
		{"nothing", "", "there is no key"},
		{"a password", "correct horse battery staple", "32 bytes"},
		{"16 bytes", base64.StdEncoding.EncodeToString(raw[:16]), "32 bytes"},
		{"all zero", hex.EncodeToString(make([]byte, 32)), "not random"},
	}
	for _, row := range rows {
		_, err := New(secret.New(row.text))
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v", row.name, err)
		}
		if err != nil && row.text != "" && strings.Contains(err.Error(), row.text) {
			t.Errorf("%s: the error shows the key", row.name)
		}
	}
	if _, err := New(fixed(1), secret.New("x")); err == nil || !strings.Contains(err.Error(), "2 of 2") {
		t.Errorf("a bad earlier key: %v", err)
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.key")
	v, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	codec(t, v)
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	kept, err := secret.Resolver{}.Resolve("file:" + path)
	if err != nil || kept.Reveal() != v.Reveal() {
		t.Errorf("the file holds another key (%v)", err)
	}
	if _, err := Create(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("an existing key: %v", err)
	}
	if again, err := os.ReadFile(path); err != nil || strings.TrimSpace(string(again)) != v.Reveal() {
		t.Errorf("the existing key was touched (%v)", err)
	}
}

// FuzzOpen: no bytes make the decoders panic, and none that were not sealed
// here are believed.
func FuzzOpen(f *testing.F) {
	c := codec(f, fixed(1), fixed(9))
	body := bytes.Repeat([]byte("body "), 300)
	signed, encrypted := both(f, c, "name", body)
	f.Add("name", signed)
	f.Add("name", encrypted)
	f.Add("", []byte{modeSigned})
	f.Add("x", append([]byte{modeEncrypted}, c.current.id...))
	f.Fuzz(func(t *testing.T, name string, sealed []byte) {
		gotS, _, errS := c.Verify(name, sealed)
		gotE, _, errE := c.Decrypt(name, sealed)
		// Another fuzzing process seals the same body with other nonces.
		if errS == nil && (name != "name" || !bytes.Equal(gotS, body)) || errE == nil && (name != "name" || !bytes.Equal(gotE, body)) {
			t.Fatalf("believed %x as %q", sealed, name)
		}
		for _, err := range []error{errS, errE} {
			if err != nil && !errors.Is(err, ErrIntegrity) {
				t.Fatal(err)
			}
		}
		if _, err := unpack(name, sealed); err != nil && !errors.Is(err, ErrIntegrity) {
			t.Fatal(err)
		}
	})
}
