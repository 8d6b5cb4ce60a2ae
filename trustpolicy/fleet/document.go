package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// decode turns a policy document as IAM returns it into text. IAM percent-encodes
// it per RFC 3986 (IAM API Reference, GetRole), where + is a plus; a document
// that was not encoded begins with its brace and is taken as it is.
func decode(document *string) (string, error) {
	text := aws.ToString(document)
	if strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
		return text, nil
	}
	out, err := url.PathUnescape(text)
	if err != nil {
		return "", fmt.Errorf("decode the trust policy: %w", err)
	}
	return out, nil
}

// Digest names the text of a trust policy: SHA-256 in hex.
func Digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func tagMap(tags []types.Tag) map[string]string {
	out := make(map[string]string, len(tags))
	for _, t := range tags {
		out[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return out
}

// errorCode returns AWS's error code, or "".
func errorCode(err error) string {
	var coded interface{ ErrorCode() string }
	if errors.As(err, &coded) {
		return coded.ErrorCode()
	}
	return ""
}
