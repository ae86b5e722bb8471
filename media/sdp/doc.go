// Package sdp reads and writes session descriptions (RFC 8866) as phones really
// write them. It is line based: what it does not know it keeps, in its place;
// no single media section makes it fail; sizes and counts are bounded (64 kB, 32
// m-lines, 2,000 lines).
package sdp
