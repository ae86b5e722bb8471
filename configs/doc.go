// Package configs holds the static settings of the program: one documented
// struct, its loader, and the samples that are shipped with it.
//
// Whatever may change while the server runs (users, devices, tokens) lives in
// the store. What is here is read once, at start; only certificates are read
// again, on SIGHUP.
//
// Every key is documented where it is declared, in the doc tag of its field.
// [Describe] prints a configuration with these texts, so the samples in this
// folder, `sparkle config describe` and the file that quickstart writes are
// the same text and cannot drift from the code.
//
// A mistake is one line: the file, the line, the key and what to do about it.
// [Load] reports what can be seen in the file alone (unknown keys, wrong types,
// values out of range); [Config.CheckHost] what only this host can tell
// (missing files, certificates that do not parse, directories that cannot be
// written, ports that are taken).
package configs
