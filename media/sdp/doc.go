// Package sdp reads and writes session descriptions (RFC 8866) as phones really
// write them. It is line based: what it does not know it keeps, in its place; no
// single line makes it fail; sizes and counts are bounded (64 kB, 32 m-lines,
// 2,000 lines, 256 attributes a section).
//
// What is let pass although the grammar forbids it: lines that end in LF or CR
// alone, or not at all; empty lines and lines of spaces; spaces around "=";
// missing or misplaced o=, s=, t= and c=; several spaces between words; any
// media, transport and format.
package sdp
