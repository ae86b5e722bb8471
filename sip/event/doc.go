// Package event is the notifier of RFC 6665: subscriptions of devices to event
// packages, and the notifications that they get.
//
// A [Package] (conference here, presence later) says who may subscribe to what and
// what the state is; the [Notifier] does the rest: SUBSCRIBE, refresh, expiry,
// NOTIFY in order with one under way for each subscription, the failed one that
// ends a subscription, the initial NOTIFY, list subscriptions by a list in the
// body (RFC 5367), terminated with its reason. Subscriptions are kept in the
// store, so that a restart is not noticed: who is subscribed gets the next change.
//
// A subscription belongs to a device. NOTIFYs go by the flow of the device at the
// time, as messages do; a device that is away misses them, and is brought up to
// date by the package when it registers again ([Notifier.Reachable]).
//
// A list subscription is told of each resource in a NOTIFY of its own, in the one
// dialog; there is no multipart (RFC 4662). What a device subscribes to by a list
// it is not told of in older subscriptions any more.
//
// # How it works
//
// What happens to a subscription (a document is published, a device answers,
// registers, time is up) is put into its inbox, which has a small lock of its own;
// then the subscription waits for one of a few workers. A worker owns it for a
// moment, looks at everything in the inbox and decides on at most one request,
// which it sends when it owns the subscription no more. So whoever publishes to
// thousands does nothing but fill their inboxes, and no function of a package is
// called while a lock is held that a function of the notifier takes.
//
// # Bounds
//
// Subscriptions a device ([MaxSubscriptions]), entries of a list ([MaxEntries]),
// documents that wait for a subscription (16: with one more they are forgotten, and
// the package is asked for the present state in their place).
package event
