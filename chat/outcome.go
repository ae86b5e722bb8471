package chat

// verdict is what the answer of a device means for a message.
type verdict int8

const (
	took       verdict = iota // it has it
	retryLater                // it may take it another time
	flowBroken                // this flow does not lead to it
	unreadable                // it cannot show this form
	never                     // it will never take it
)

// judge reads the final status of a MESSAGE (RFC 3428 §7, RFC 3261 §21).
func judge(status int) verdict {
	switch status {
	case 415, 406, 488, 606: // type, encoding or charset
		return unreadable
	case 430: // RFC 5626 §11.7: flow failed
		return flowBroken
	case 408, 423, 429, 480, 486, 487, 491, 600:
		return retryLater
	case 501, 505, 513: // MESSAGE not implemented, version, too large
		return never
	}
	switch {
	case status < 300:
		return took
	case status >= 500 && status < 600:
		return retryLater
	}
	return never
}
