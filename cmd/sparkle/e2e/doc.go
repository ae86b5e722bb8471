// Package e2e drives the built program with the softphones that people have:
// baresip and SIPp from Debian, Linphone through a driver on liblinphone
// (linphone/driver.c), and for what a polite phone never does, the agent of
// cmd/sipload.
//
// Everything runs on loopback, on free ports, or in network namespaces of the
// test's own (nat), and ends with its test. The tests are named by story: chat,
// offline, register, call, voice, services, nat, websocket; admin and tls for who
// runs the server; torture, slow, flood, oversize and injection for what comes from
// outside; crash, disk and drain for what fails inside. A missing program fails the
// test and says what to install (`make test` installs it). Skipped are only the full
// disk, where the test may not mount one, and the namespaces, where it is not root's.
package e2e
