// Package payload opens what SIP messages carry: compressed bodies and small XML
// documents, from peers who may mean harm. Everything has a bound: what a body
// inflates to, the size, depth and number of elements of a document. No DTD, no
// entities of its own, nothing outside of the document is ever read.
package payload
