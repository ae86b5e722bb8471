package sqldb

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A sealed value is key id (4 bytes) | nonce (12) | AES-256-GCM ciphertext. Its
// table, primary key and column are authenticated with it, so that a value
// cannot be moved to another row.
const (
	keyIDSize   = 4
	keySize     = 32
	keyFileName = "master.key"
)

// sealer seals secrets with the first key of the key file and opens those
// sealed with any key in it.
type sealer struct {
	current string
	keys    map[string]cipher.AEAD // by key id
}

// seal encrypts a secret for a place in the database; nil stays nil.
func (s *sealer) seal(secret []byte, table, key, column string) []byte {
	if secret == nil {
		return nil
	}
	aead := s.keys[s.current]
	out := make([]byte, keyIDSize+aead.NonceSize(), keyIDSize+aead.NonceSize()+len(secret)+aead.Overhead())
	copy(out, s.current)
	nonce := out[keyIDSize:]
	rand.Read(nonce)
	return aead.Seal(out, nonce, secret, aadOf(table, key, column))
}

func (s *sealer) open(sealed []byte, table, key, column string) ([]byte, error) {
	if sealed == nil {
		return nil, nil
	}
	if len(sealed) < keyIDSize {
		return nil, fmt.Errorf("sealed value in %s.%s is cut short", table, column)
	}
	id := string(sealed[:keyIDSize])
	aead := s.keys[id]
	if aead == nil {
		return nil, fmt.Errorf("key %x is not in %s; restore the key file that belongs to this database", id, keyFileName)
	}
	rest := sealed[keyIDSize:]
	if len(rest) < aead.NonceSize() {
		return nil, fmt.Errorf("sealed value in %s.%s is cut short", table, column)
	}
	secret, err := aead.Open(nil, rest[:aead.NonceSize()], rest[aead.NonceSize():], aadOf(table, key, column))
	if err != nil {
		return nil, fmt.Errorf("sealed value in %s.%s does not belong to this row, or %s is not the key of this database", table, column, keyFileName)
	}
	return secret, nil
}

func aadOf(table, key, column string) []byte {
	return []byte(table + "|" + key + "|" + column)
}

// loadSealer reads the key file; create makes it where it is missing.
func loadSealer(path string, create bool) (*sealer, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if !create {
			return nil, fmt.Errorf("%s is missing: passwords cannot be read without it; restore it from where it was kept when the database was made", path)
		}
		text, err = makeKeyFile(path)
	}
	if err != nil {
		return nil, err
	}
	return parseKeys(path, text)
}

// parseKeys reads lines of "id key", id in hexadecimal and key in base64.
func parseKeys(path string, text []byte) (*sealer, error) {
	s := &sealer{keys: make(map[string]cipher.AEAD)}
	for line := bufio.NewScanner(bytes.NewReader(text)); line.Scan(); {
		fields := strings.Fields(line.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		id, aead, err := parseKey(fields)
		if err != nil {
			return nil, fmt.Errorf("%s: %w; restore the file from its copy", path, err)
		}
		if s.current == "" {
			s.current = id
		}
		s.keys[id] = aead
	}
	if s.current == "" {
		return nil, fmt.Errorf("%s holds no key; restore the file from its copy", path)
	}
	return s, nil
}

func parseKey(fields []string) (id string, aead cipher.AEAD, err error) {
	if len(fields) != 2 {
		return "", nil, errors.New("a line is not \"id key\"")
	}
	rawID, err := hex.DecodeString(fields[0])
	if err != nil || len(rawID) != keyIDSize {
		return "", nil, fmt.Errorf("a key id is not %d hexadecimal digits", 2*keyIDSize)
	}
	key, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil || len(key) != keySize {
		return "", nil, fmt.Errorf("a key is not %d bytes in base64", keySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", nil, err
	}
	aead, err = cipher.NewGCM(block)
	return string(rawID), aead, err
}

// makeKeyFile writes a new key and waits until it is on the disk: what is
// sealed with it must not outlive it.
func makeKeyFile(path string) ([]byte, error) {
	var id [keyIDSize]byte
	var key [keySize]byte
	rand.Read(id[:])
	rand.Read(key[:])
	text := fmt.Appendf(nil, "# Opens the secrets in the database beside it. Keep a copy elsewhere; give it to nobody.\n%x %s\n",
		id, base64.StdEncoding.EncodeToString(key[:]))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close(), syncDir(filepath.Dir(path))); err != nil {
		return nil, err
	}
	return text, nil
}

// syncDir brings the names in a directory to the disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
