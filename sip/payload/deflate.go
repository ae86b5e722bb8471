package payload

import (
	"bytes"
	"compress/zlib"
	"errors"
	"io"
)

// Bounds of what a compressed body may grow to.
const (
	maxInflated  = 1 << 20
	maxGrowth    = 200     // times its compressed size; text gets to 20
	smallInflate = 8 << 10 // below this the growth does not matter
)

// What may be wrong with a compressed body.
var (
	ErrDeflate      = errors.New("body is not deflate data (RFC 1950)")
	ErrInflatedSize = errors.New("body inflates to more than is allowed")
)

// Inflate undoes Content-Encoding: deflate, which is zlib (RFC 1950). The error is
// ErrDeflate or ErrInflatedSize.
func Inflate(b []byte) ([]byte, error) {
	r, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, ErrDeflate
	}
	limit := min(maxInflated, max(smallInflate, maxGrowth*len(b)))
	out, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if len(out) > limit {
		return nil, ErrInflatedSize
	}
	if err != nil {
		return nil, ErrDeflate
	}
	return out, nil
}
