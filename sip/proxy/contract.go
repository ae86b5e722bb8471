package proxy

import "github.com/sparkleim/sparkle/sip/server"

// Proxy serves every request that no other service owns.
type Proxy struct{}

// ServeSIP forwards r by RFC 3261 §16.
func (p *Proxy) ServeSIP(r *server.Request) { panic("todo") }
