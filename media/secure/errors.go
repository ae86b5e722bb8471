package secure

import "errors"

// Why a packet is dropped. A packet that is dropped may have been changed.
var (
	ErrAuthentication = errors.New("secure: the tag of the packet is wrong")
	ErrReplay         = errors.New("secure: the packet was received before, or is too old to tell")
	ErrShort          = errors.New("secure: the packet is too short")
	ErrSources        = errors.New("secure: too many SSRCs") // more than 16 in one context
	ErrExhausted      = errors.New("secure: the key has protected all the packets that it may")
)
