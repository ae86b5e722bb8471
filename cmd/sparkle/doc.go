// Command sparkle is the server, and everything that an administrator does
// with it: one file a command, serve.go builds the server.
//
// The commands that administer are clients of the REST API of package admin
// over the Unix socket in the data directory. backup, verify and restore open
// the store themselves when no server runs.
//
// Exit codes: 0 done, 1 failed (one line on standard error says why and what
// to do), 2 wrong use of the command line, 3 verify or an import found problems.
package main
