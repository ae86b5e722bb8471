package sqldb

import (
	"crypto/rand"
	"testing"
)

// The filter never denies a key that it was given, and seldom claims one that
// it was not.
func TestBloom(t *testing.T) {
	const n = 100_000
	b := new(bloom)
	keys := make([][16]byte, n)
	for i := range keys {
		rand.Read(keys[i][:])
		b.add(keys[i])
	}
	for _, key := range keys {
		if !b.has(key) {
			t.Fatalf("%x was added and is denied", key)
		}
	}
	wrong := 0
	for range n {
		var other [16]byte
		rand.Read(other[:])
		if b.has(other) {
			wrong++
		}
	}
	if wrong > n/1000 {
		t.Errorf("%d of %d strangers are taken for known", wrong, n)
	}
}

// A store that opens with keys in its table lets every look-up through until
// it has read them, and knows them all afterwards.
func TestKeysOfTheTableAreKnown(t *testing.T) {
	db := openTest(t, Config{})
	var keys [][16]byte
	err := db.write(t.Context(), func(t tx) error {
		for sender := range int64(300) {
			var key [16]byte
			rand.Read(key[:])
			keys = append(keys, key)
			if _, err := t.exec(`INSERT INTO dedup (sender, key, pos) VALUES ($1, $2, $3)`, sender, key[:], sender); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	f := keyFilter{fresh: new(bloom)}
	if !f.mayHold([16]byte{1}) {
		t.Error("a key is denied before the table was read")
	}
	if err := f.load(t.Context(), db.reader); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if !f.mayHold(key) {
			t.Fatalf("%x stands in the table and is denied", key)
		}
	}
	if f.mayHold([16]byte{1}) {
		t.Error("a key that nobody used is taken for known")
	}
	f.add([16]byte{1})
	if !f.mayHold([16]byte{1}) {
		t.Error("a key that was just claimed is denied")
	}
}
