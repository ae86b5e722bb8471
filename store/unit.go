package store

import "context"

// UnitID is a dense positive number given by the store.
type UnitID int64

// Unit is a part of the organisation. 0 is no unit: the parent of the roots.
type Unit struct {
	ID      UnitID `json:"id"`
	Parent  UnitID `json:"parent,omitempty"`
	Name    string `json:"name"` // unique among its siblings
	Order   int    `json:"order,omitempty"`
	Version int64  `json:"version"`
}

// UnitMember is a person in a unit.
type UnitMember struct {
	Unit  UnitID `json:"unit"`
	User  UserID `json:"user"`
	Title string `json:"title,omitempty"`
	// Hidden people are not joined to the groups of the unit.
	Hidden bool `json:"hidden,omitempty"`
}

// Units keeps the tree of the organisation. Changes are Durable; ErrNotFound for
// a unit or user that does not exist.
type Units interface {
	// AllUnits returns the tree: siblings by Order and name, each parent before
	// what is below it.
	AllUnits(ctx context.Context) ([]Unit, error)
	UnitMembers(ctx context.Context) ([]UnitMember, error) // of all units
	// SetUnit adds with ID 0, else it replaces the unit of that Version. ErrInvalid
	// for a cycle, ErrConflict for a taken name or another Version.
	SetUnit(ctx context.Context, u Unit) (Unit, error)
	// RemoveUnit takes its people out of it; ErrInvalid while it has sub-units.
	RemoveUnit(ctx context.Context, id UnitID) error
	SetUnitMember(ctx context.Context, m UnitMember) error
	// SetUnitMembers is SetUnitMember for many: all, or none. In the units of whole
	// nobody else stays. It tells how many came, are told of otherwise, and went.
	SetUnitMembers(ctx context.Context, members []UnitMember, whole []UnitID) (added, updated, removed int, err error)
	RemoveUnitMember(ctx context.Context, unit UnitID, user UserID) error
}
