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
// Bounds: subscriptions a device and a resource, entries of a list, the queue of
// one subscription (one document: a newer full state replaces an older one).
package event
