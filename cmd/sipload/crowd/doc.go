// Package crowd is many phones in one process, light enough to share a machine
// with the server that they burden.
//
// A phone registers, takes what the server sends it (MESSAGE, and as a room
// device INVITE, NOTIFY and BYE) with 200, and sends requests of its own through
// an [agent.Agent]. What comes in by the thousand is answered from the bytes of
// the request, without parsing it into anything.
//
// Phones over UDP share sockets: each has an address of its own in 127.0.0.0/8,
// and the sockets read and write many datagrams in one system call. A phone over
// TCP or TLS has a connection and one goroutine that reads it; it connects and
// registers again when the connection ends, as often as it takes.
//
// A room device looks like Linphone: it registers a GRUU and the feature
// groupchat, takes the INVITE of a focus (RFC 4579 §5), subscribes to the
// conference event and sends CPIM.
//
// Bounds: loopback only, for a server that is believed; nothing is retransmitted
// but requests over UDP; one phone a user.
package crowd
