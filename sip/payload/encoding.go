package payload

import (
	"errors"
	"strings"
)

// ErrEncoding is returned for a Content-Encoding that we do not undo: answer 415
// with Accept-Encoding.
var ErrEncoding = errors.New("Content-Encoding is not one we understand")

// Decode undoes a Content-Encoding, the text of that header: none, identity or
// deflate. The error is ErrEncoding or one of [Inflate].
func Decode(encoding string, b []byte) ([]byte, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity":
		return b, nil
	case "deflate":
		return Inflate(b)
	}
	return nil, ErrEncoding
}
