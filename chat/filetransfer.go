package chat

import (
	"net/url"
	"strconv"
	"time"

	"github.com/sparkleim/sparkle/sip/payload"
)

// fileType is the media type of a reference to an uploaded file
// (GSMA RCC.07 §3.5.4.8).
const fileType = "application/vnd.gsma.rcs-ft-http+xml"

const (
	nsFile  = "urn:gsma:params:xml:ns:rcs:rcs:fthttp"
	nsAudio = "urn:gsma:params:xml:ns:rcs:rcs:rram"
)

// file is a reference to an uploaded file.
type file struct {
	Name        string
	Size        int64 // bytes, 0 when it is not said
	ContentType string
	URL         string
	Playing     time.Duration // of a voice message, 0 for anything else
}

// parseFile reads the reference; a thumbnail beside the file is left out.
func parseFile(b []byte) (file, error) {
	root, err := payload.ParseXML(b, payload.Small)
	if err != nil {
		return file{}, err
	}
	if !root.Is(nsFile, "file") {
		return file{}, payload.ErrXML
	}
	for _, info := range root.Kids {
		if !info.Is(nsFile, "file-info") || info.Attr("type") == "thumbnail" {
			continue
		}
		f := file{
			Name:        info.Child(nsFile, "file-name").Value(),
			ContentType: info.Child(nsFile, "content-type").Value(),
			URL:         info.Child(nsFile, "data").Attr("url"),
		}
		if plain, err := url.PathUnescape(f.Name); err == nil { // senders percent-escape names
			f.Name = plain
		}
		f.Size, _ = strconv.ParseInt(info.Child(nsFile, "file-size").Value(), 10, 64)
		ms, _ := strconv.ParseInt(info.Child(nsAudio, "playing-length").Value(), 10, 32)
		f.Playing = time.Duration(ms) * time.Millisecond
		if f.URL == "" {
			return file{}, payload.ErrXML
		}
		return f, nil
	}
	return file{}, payload.ErrXML
}
