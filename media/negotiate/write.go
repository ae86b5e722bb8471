package negotiate

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/sparkleim/sparkle/media/sdp"
)

// text is our last description, as far as the version in o= depends on it.
type text struct {
	version uint64
	body    []byte
}

// write writes the description that the leg stands at. Nobody may change it.
func (s *State) write() []byte {
	next := s.text.version + 1 // RFC 3264 §8: when anything changed, as mostly
	var w sdp.Writer
	w.Grow(headSize + s.size())
	s.head(&w, next)
	begin := len(w.Bytes())
	s.body(&w)
	body := w.Bytes()[begin:]
	if next > 1 && bytes.Equal(body, s.text.body) {
		var same sdp.Writer
		s.head(&same, s.text.version)
		return append(same.Bytes(), body...)
	}
	s.text = text{version: next, body: body}
	return w.Bytes()
}

// headSize is about what head writes.
const headSize = 96

// head writes everything up to o=.
func (s *State) head(w *sdp.Writer, version uint64) {
	w.Line('v', "0")
	w.Line('o', "- ", strconv.FormatUint(s.id, 10), " ", strconv.FormatUint(version, 10), " ", sdp.Address(s.address))
}

// body writes everything after o=.
func (s *State) body(w *sdp.Writer) {
	common := s.address
	for i := range s.ours {
		if !s.ours[i].refused {
			common = s.ours[i].local.Address
			break
		}
	}
	w.Line('s', "-")
	w.Connection(common)
	w.Line('t', "0 0")
	lite, mids := false, []string(nil)
	for i := range s.ours {
		o := &s.ours[i]
		lite = lite || o.ice && !o.refused
		if o.bundled && !o.refused {
			mids = append(mids, o.mid)
		}
	}
	if lite {
		w.Attribute("ice-lite")
	}
	if mids != nil {
		w.Attribute("group", "BUNDLE ", strings.Join(mids, " "))
	}
	for i := range s.ours {
		o := &s.ours[i]
		w.Media(o.Kind, o.local.RTP, o.proto, o.formats())
		if !o.refused {
			if o.local.Address != common {
				w.Connection(o.local.Address)
			}
			o.write(w)
		}
		if o.mid != "" {
			w.Attribute("mid", o.mid)
		}
	}
}

// size is about what a body has, and more than it in most cases: leg and text
// live as long as the call.
func (s *State) size() int {
	n := 64
	for i := range s.ours {
		o := &s.ours[i]
		n += 96 + 48*len(o.Codecs) + 32*(len(o.pass)+len(o.feedback)+len(o.Exts)) + 96*len(o.crypto)
		if o.setup != "" {
			n += 128
		}
		if o.ice {
			n += 256
		}
	}
	return n
}

// formats is what an m-line ends with.
func (o *own) formats() string {
	if len(o.Codecs) == 0 {
		return o.Formats
	}
	b := make([]byte, 0, 4*len(o.Codecs))
	for i, c := range o.Codecs {
		if i > 0 {
			b = append(b, ' ')
		}
		b = strconv.AppendUint(b, uint64(c.Number), 10)
	}
	return string(b)
}

// write writes what belongs to an m-line in use.
func (o *own) write(w *sdp.Writer) {
	for _, l := range o.pass {
		if l.Type != 'a' { // b= comes before a= (RFC 8866 §9)
			w.Line(l.Type, l.Value)
		}
	}
	for _, c := range o.Codecs {
		c.write(w)
	}
	for _, f := range o.feedback {
		format := "*"
		if f.number != everyFormat {
			format = strconv.Itoa(f.number)
		}
		w.Attribute("rtcp-fb", format, " ", f.value)
	}
	for _, e := range o.Exts {
		w.Attribute("extmap", strconv.Itoa(e.ID), " ", e.URI)
	}
	for _, l := range o.pass {
		if l.Type == 'a' {
			w.Line('a', l.Value)
		}
	}
	for _, h := range o.hashes {
		w.Attribute("zrtp-hash", h)
	}
	if o.Codecs != nil || o.Direction != SendRecv { // fax has no directions unless somebody gave it one
		w.Attribute(o.Direction.String())
	}
	o.writeTransport(w)
}

func (c Codec) write(w *sdp.Writer) {
	number := strconv.Itoa(int(c.Number))
	if c.Channels > 1 {
		w.Attribute("rtpmap", number, " ", c.Name, "/", strconv.Itoa(c.Rate), "/", strconv.Itoa(c.Channels))
	} else {
		w.Attribute("rtpmap", number, " ", c.Name, "/", strconv.Itoa(c.Rate))
	}
	if c.Params != "" {
		w.Attribute("fmtp", number, " ", c.Params)
	}
}

// writeTransport writes keys, RTCP and ICE.
func (o *own) writeTransport(w *sdp.Writer) {
	for _, c := range o.crypto {
		w.Attribute("crypto", c.Value())
	}
	if o.setup != "" {
		w.Attribute("fingerprint", o.local.Fingerprint)
		w.Attribute("setup", o.setup)
	}
	if o.RSize {
		w.Attribute("rtcp-rsize")
	}
	if o.mux {
		w.Attribute("rtcp-mux")
	}
	if !o.muxOnly && o.Codecs != nil && o.local.RTCP != o.local.RTP+1 { // RFC 3605 §2.1
		w.Attribute("rtcp", strconv.Itoa(int(o.local.RTCP)))
	}
	switch {
	case o.mismatch:
		w.Attribute("ice-mismatch") // RFC 8839 §4.2.5
	case o.ice:
		writeICE(w, o.local, o.muxOnly)
	}
}
