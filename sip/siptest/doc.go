// Package siptest is a server's surroundings for tests of the services of the
// chain: phones on flows that end in memory, the registrar that knows them, and
// transcripts that say who sends and who gets what. Only tests import it.
//
// A [World] is a transaction layer with phones around it. It takes the place of
// the socket stack, of the registrar and of the authenticator, so that a test
// makes its own chain of the service that it is about:
//
//	w := siptest.New(t)
//	p, err := proxy.New(proxy.Config{Flows: w, Locations: w, …})
//	w.Layer.Serve(server.New(server.Config{Auth: w, Proxy: p, …}))
//	w.Phone("alice", "tls")
//	w.Phone("bob", "udp q=500")
//	w.Play(`
//		alice INVITE bob (offer)
//		bob gets INVITE (offer)
//		bob 486
//		bob gets ACK
//		alice gets 486 INVITE
//		quiet`)
//	w.Idle()
//
// A [Phone] writes each message as text, has the server's text parsed, and fails
// the test when it is not SIP. It follows one dialog and does by itself nothing
// but acknowledge negative final responses; everything else is a line of the
// transcript. A test that needs more than a transcript says changes what the phone
// knows ([Dialog]) or adds header lines ([Phone.Add]), and looks at what it got.
//
// A World belongs in a bubble of testing/synctest: each step waits until nothing
// moves any more, and "wait 32s" takes no time. [BenchmarkCalls] runs outside of
// one, with phones that cost nearly nothing.
//
// It knows neither loss nor delay, and phones answer no challenges: the layers
// below have tests of their own for that.
package siptest
