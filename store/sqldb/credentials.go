package sqldb

import (
	"context"
	"fmt"

	"github.com/sparkleim/sparkle/store"
)

// Credential implements store.Credentials. It is Disabled also when its user is.
func (db *DB) Credential(ctx context.Context, username, realm string) (store.Credential, error) {
	ctx, err := pointRead(ctx)
	if err != nil {
		return store.Credential{}, err
	}
	c := store.Credential{Username: username, Realm: realm}
	var md5, sha256 []byte
	err = db.reader.QueryRowContext(ctx, `SELECT c.user_id, c.md5, c.sha256, c.disabled OR u.disabled, c.version
		FROM credential c JOIN users u ON u.id = c.user_id WHERE c.realm = $1 AND c.username = $2`, realm, username).
		Scan(&c.User, &md5, &sha256, &c.Disabled, &c.Version)
	if err != nil {
		return store.Credential{}, notFound(err, "credential of %s in %s", username, realm)
	}
	if c.MD5, err = db.sealer.open(md5, "credential", credentialKey(c), "md5"); err != nil {
		return store.Credential{}, err
	}
	if c.SHA256, err = db.sealer.open(sha256, "credential", credentialKey(c), "sha256"); err != nil {
		return store.Credential{}, err
	}
	return c, nil
}

func credentialKey(c store.Credential) string { return c.Realm + "|" + c.Username }

// SetCredential implements store.Credentials. ErrConflict when the digest
// username belongs to another user, ErrNotFound when there is no such user.
func (db *DB) SetCredential(ctx context.Context, c store.Credential) error {
	err := db.write(ctx, func(t tx) error { return db.setCredential(t, c) })
	if err != nil {
		return fmt.Errorf("set credential of %s: %w", c.Username, err)
	}
	return nil
}

func (db *DB) setCredential(t tx, c store.Credential) error {
	if err := checkCredential(c); err != nil {
		return err
	}
	if err := userExists(t, c.User); err != nil {
		return err
	}
	key := credentialKey(c)
	n, err := t.exec(`INSERT INTO credential (realm, username, user_id, md5, sha256, disabled, version) VALUES ($1, $2, $3, $4, $5, $6, 1)
		ON CONFLICT (realm, username) DO UPDATE SET md5 = excluded.md5, sha256 = excluded.sha256, disabled = excluded.disabled,
		version = credential.version + 1 WHERE credential.user_id = excluded.user_id`,
		c.Realm, c.Username, int64(c.User), db.sealer.seal(c.MD5, "credential", key, "md5"),
		db.sealer.seal(c.SHA256, "credential", key, "sha256"), c.Disabled)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("%s in realm %s belongs to another user: %w", c.Username, c.Realm, store.ErrConflict)
	}
	return nil
}

// checkCredential wants the hashes of RFC 7616 §3.4.2, one at least.
func checkCredential(c store.Credential) error {
	switch {
	case c.Username == "" || c.Realm == "":
		return fmt.Errorf("%w: a credential needs a username and a realm", store.ErrInvalid)
	case c.MD5 != nil && len(c.MD5) != 16, c.SHA256 != nil && len(c.SHA256) != 32:
		return fmt.Errorf("%w: HA1 is 16 bytes for MD5 and 32 for SHA-256", store.ErrInvalid)
	case c.MD5 == nil && c.SHA256 == nil:
		return fmt.Errorf("%w: a credential needs HA1 for MD5 or SHA-256", store.ErrInvalid)
	}
	return nil
}
