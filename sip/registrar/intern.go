package registrar

import (
	"strings"
	"sync"
)

// maxInterned bounds the texts that are kept once for all: there are few
// softphone models, and who invents names fills nothing.
const maxInterned = 4096

// interner keeps one copy of texts that many bindings have in common.
type interner struct {
	mu    sync.Mutex
	texts map[string]string
	lists map[string][]string
}

func newInterner() *interner {
	return &interner{texts: make(map[string]string), lists: make(map[string][]string)}
}

// text returns a string equal to s that shares nothing with it.
func (in *interner) text(s string) string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.textLocked(s)
}

func (in *interner) textLocked(s string) string {
	if t, ok := in.texts[s]; ok || s == "" {
		return t
	}
	t := strings.Clone(s)
	if len(in.texts) >= maxInterned {
		clear(in.texts)
	}
	in.texts[t] = t
	return t
}

// list does the same for a list, which must not be changed.
func (in *interner) list(l []string) []string {
	if len(l) == 0 {
		return nil
	}
	key := strings.Join(l, "\n")
	in.mu.Lock()
	defer in.mu.Unlock()
	if known, ok := in.lists[key]; ok {
		return known
	}
	own := make([]string, len(l))
	for i, s := range l {
		own[i] = in.textLocked(s)
	}
	if len(in.lists) >= maxInterned {
		clear(in.lists)
	}
	in.lists[key] = own
	return own
}
