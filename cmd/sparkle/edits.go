package main

import (
	"github.com/spf13/cobra"
)

// edits are flags that change single fields of a T. Only what was given on the
// command line is changed; a list that is given replaces the whole list, and an
// empty value empties a field.
type edits[T any] struct {
	cmd     *cobra.Command
	changes []func(*T) (changed bool)
}

func editsOf[T any](cmd *cobra.Command) *edits[T] { return &edits[T]{cmd: cmd} }

// apply makes the changes that were asked for, and tells whether there were any.
func (e *edits[T]) apply(t *T) (changed bool) {
	for _, change := range e.changes {
		changed = change(t) || changed
	}
	return changed
}

func (e *edits[T]) text(name, usage string, field func(*T) *string) {
	add(e, name, e.cmd.Flags().String(name, "", usage), field)
}

func (e *edits[T]) number(name, usage string, field func(*T) *int) {
	add(e, name, e.cmd.Flags().Int(name, 0, usage), field)
}

func (e *edits[T]) flag(name, usage string, field func(*T) *bool) {
	add(e, name, e.cmd.Flags().Bool(name, false, usage), field)
}

func (e *edits[T]) list(name, usage string, field func(*T) *[]string) {
	add(e, name, e.cmd.Flags().StringSlice(name, nil, usage), field)
}

func add[T, V any](e *edits[T], name string, value *V, field func(*T) *V) {
	e.changes = append(e.changes, func(t *T) bool {
		if !e.cmd.Flags().Changed(name) {
			return false
		}
		*field(t) = *value
		return true
	})
}
