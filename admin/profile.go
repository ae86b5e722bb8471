package admin

import (
	"net/http"
	"net/http/pprof"
)

// profiles shows an administrator on this computer where time and memory go:
//
//	curl --unix-socket DATA/admin.sock 'http://sparkle/debug/pprof/profile?seconds=10' > cpu.pprof
//	go tool pprof -top cpu.pprof
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	return mux
}
