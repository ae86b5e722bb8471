package media

import "encoding/binary"

// extension finds a header extension in an RTP header that was checked (RFC 8285
// §4.2, §4.3).
func extension(header []byte, id int) (value []byte, ok bool) {
	if header[0]&0x10 == 0 {
		return nil, false
	}
	at := 12 + 4*int(header[0]&0x0f)
	profile, b := binary.BigEndian.Uint16(header[at:]), header[at+4:]
	long := profile&0xfff0 == 0x1000 // appbits do not matter
	if !long && profile != 0xbede {
		return nil, false
	}
	for len(b) > 1 {
		if b[0] == 0 { // padding
			b = b[1:]
			continue
		}
		number, start, length := int(b[0]>>4), 1, int(b[0]&0x0f)+1
		if long {
			number, start, length = int(b[0]), 2, int(b[1])
		}
		if !long && number == 15 || start+length > len(b) {
			return nil, false
		}
		if number == id {
			return b[start : start+length], true
		}
		b = b[start+length:]
	}
	return nil, false
}
