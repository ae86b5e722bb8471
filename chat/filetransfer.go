package chat

import (
	"net/url"
	"strconv"
	"time"
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
	root, err := parseXML(b)
	if err != nil {
		return file{}, err
	}
	if !root.is(nsFile, "file") {
		return file{}, errXML
	}
	for _, info := range root.kids {
		if !info.is(nsFile, "file-info") || info.attr("type") == "thumbnail" {
			continue
		}
		f := file{
			Name:        info.child(nsFile, "file-name").value(),
			ContentType: info.child(nsFile, "content-type").value(),
			URL:         info.child(nsFile, "data").attr("url"),
		}
		if plain, err := url.PathUnescape(f.Name); err == nil { // senders percent-escape names
			f.Name = plain
		}
		f.Size, _ = strconv.ParseInt(info.child(nsFile, "file-size").value(), 10, 64)
		ms, _ := strconv.ParseInt(info.child(nsAudio, "playing-length").value(), 10, 32)
		f.Playing = time.Duration(ms) * time.Millisecond
		if f.URL == "" {
			return file{}, errXML
		}
		return f, nil
	}
	return file{}, errXML
}
