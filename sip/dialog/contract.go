package dialog

import (
	"github.com/sparkleim/sparkle/sip/transport"
)

// Agent is a user agent inside this process.
type Agent struct{}

// Flow is the server's side of the agent: a request that the proxy sends by it
// reaches the agent.
func (a *Agent) Flow() *transport.Flow { panic("contract") }
