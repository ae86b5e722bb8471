package sqldb

import (
	"context"
	"database/sql"
	"encoding/binary"
	"sync/atomic"
)

// keyFilter knows of nearly every new deduplication key that the table does not
// hold it. A look-up is one page of a table with random keys: in an archive of a
// million messages it doubled the cost of accepting one.
//
// The table holds what it held when the store opened (kept, read in the
// background) and what was claimed since (fresh, the writer's own).
type keyFilter struct {
	fresh *bloom
	kept  atomic.Pointer[bloom] // nil until it is complete: then every key may be in the table
}

func (f *keyFilter) add(key [16]byte) { f.fresh.add(key) }

// mayHold is false only for a key that is in no row.
func (f *keyFilter) mayHold(key [16]byte) bool {
	kept := f.kept.Load()
	return kept == nil || kept.has(key) || f.fresh.has(key)
}

// loadEmpty completes the filter at once when the table holds nothing.
func (f *keyFilter) loadEmpty(ctx context.Context, c *sql.Conn) error {
	var some bool
	err := c.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM dedup)`).Scan(&some)
	if err == nil && !some {
		f.kept.Store(new(bloom))
	}
	return err
}

// load reads the keys of the table. Without them the filter lets every look-up
// through.
func (f *keyFilter) load(ctx context.Context, db *sql.DB) error {
	if f.kept.Load() != nil {
		return nil
	}
	rows, err := db.QueryContext(ctx, `SELECT key FROM dedup`)
	if err != nil {
		return err
	}
	defer rows.Close()
	kept := new(bloom)
	for rows.Next() {
		var key sql.RawBytes
		if err := rows.Scan(&key); err != nil {
			return err
		}
		if len(key) == 16 {
			kept.add([16]byte(key))
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	f.kept.Store(kept)
	return nil
}

// bloomBits is 4 MiB; with 1,000,000 keys one look-up in 6,000 is in vain, with
// 10,000,000 one in four.
const bloomBits = 1 << 25

// bloom is a Bloom filter for keys that are random already: their own bits are
// the hashes.
type bloom [bloomBits / 64]uint64

func (b *bloom) add(key [16]byte) {
	for i := 0; i < len(key); i += 4 {
		bit := binary.LittleEndian.Uint32(key[i:]) % bloomBits
		b[bit/64] |= 1 << (bit % 64)
	}
}

func (b *bloom) has(key [16]byte) bool {
	for i := 0; i < len(key); i += 4 {
		bit := binary.LittleEndian.Uint32(key[i:]) % bloomBits
		if b[bit/64]&(1<<(bit%64)) == 0 {
			return false
		}
	}
	return true
}
