package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/sparkleim/sparkle/"

// tiers is the order of the packages: each imports only from lower tiers. A new
// package needs a line here, with the reason for its place.
var tiers = map[string]struct {
	tier int
	why  string
}{
	"store":             {0, "the vocabulary: standard library only"},
	"sip/payload":       {0, "what messages carry: text only"},
	"sip/wire":          {0, "bytes and messages: knows nobody who uses them"},
	"store/cache":       {1, "holds records of the store for those who may not wait"},
	"store/sqldb":       {1, "one implementation of the store"},
	"store/storetest":   {1, "what every implementation of the store must pass"},
	"media/sdp":         {0, "session descriptions: text only"},
	"media/rtp":         {0, "packets: state machines only"},
	"media/secure":      {0, "keys and ciphers of packets"},
	"media/transport":   {0, "sockets of the relay: knows neither SIP nor the store"},
	"media/negotiate":   {1, "offer and answer over sdp and the keys of secure"},
	"media":             {2, "sessions over all of media: knows neither SIP nor the store"},
	"sip/transport":     {1, "sockets that carry what wire reads and writes"},
	"sip/transaction":   {2, "state machines over the flows of the transport"},
	"group":             {4, "over the store; knows neither SIP nor HTTP"},
	"sip/auth":          {3, "who sent what came by a flow"},
	"sip/server":        {4, "the chain: it asks auth and calls services by an interface"},
	"sip/registrar":     {5, "a service of the chain"},
	"sip/siptest":       {6, "surroundings for the tests of what is above: only they import it"},
	"sip/event":         {6, "a service of the chain: subscriptions of what the registrar knows"},
	"sip/focus":         {7, "groups for clients that know rooms; an event package"},
	"assistant":         {7, "text commands over groups and lists; knows no SIP"},
	"picture":           {4, "pictures of users and groups; knows neither SIP nor HTTP"},
	"sip/proxy":         {6, "a service of the chain that asks the registrar where people are"},
	"sip/dialog":        {6, "a user agent of our own: a client of the chain"},
	"sip/trunk":         {7, "the border to carriers: dialogs on both sides"},
	"call":              {8, "a service of the chain over the proxy, the border and the relay"},
	"chat":              {8, "a service of the chain that delivers to what the registrar knows"},
	"admin":             {9, "REST over the services"},
	"configs":           {9, "settings: only the command reads them, parts get their own Config"},
	"cmd/sparkle":       {10, "the composition root sees everything"},
	"cmd/sipload/agent": {10, "user agents for load: messages only, nothing of the server"},
	"cmd/sipload/crowd": {11, "many phones made of agents"},
	"cmd/sipload":       {12, "load generator beside the program"},
	"cmd/sparkle/e2e":   {11, "drives the built program from outside"},
}

// TestImportTiers reads the files with go/parser: a list of the go command would
// be cached after a violation was added.
func TestImportTiers(t *testing.T) {
	eachGoFile(t, func(path, pkg string) {
		own, known := tiers[pkg]
		if !known {
			t.Errorf("%s: package %s has no tier: add it to the table with the reason", path, pkg)
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("../..", path), nil, parser.ImportsOnly)
		if err != nil {
			t.Error(err)
			return
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Error(err)
			}
			name, ours := strings.CutPrefix(imported, module)
			if !ours || name == pkg {
				continue
			}
			other := tiers[name]
			isTest := strings.HasSuffix(path, "_test.go")
			if name == "configs" && !strings.HasPrefix(pkg, "cmd/") {
				t.Errorf("%s: only the command imports configs: give the part a Config of its own", path)
			}
			if strings.HasSuffix(name, "test") && !isTest {
				t.Errorf("%s: only tests import %s", path, name)
			}
			if other.tier >= own.tier && !(isTest && other.tier == own.tier) {
				t.Errorf("%s: %s (tier %d: %s) imports %s (tier %d)", path, pkg, own.tier, own.why, name, other.tier)
			}
		}
	})
}

// eachGoFile visits the Go files of the module; path and pkg are relative to it.
func eachGoFile(t *testing.T, visit func(path, pkg string)) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "run") {
			return filepath.SkipDir
		}
		if !d.IsDir() && strings.HasSuffix(path, ".go") {
			path, err = filepath.Rel(root, path)
			visit(filepath.ToSlash(path), filepath.ToSlash(filepath.Dir(path)))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
