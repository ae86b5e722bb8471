package sqldb

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/sparkleim/sparkle/store"
)

// check is one rule of the database: its query returns a line for each place
// where it is broken.
type check struct {
	rule  string
	query string
}

func checks() []check {
	return []check{
		{"the file is sound", `SELECT integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'`},
		{"each conversation has its messages without a gap", `SELECT 'conversation ' || conv || ': ' || n || ' messages from seq ' || low || ' to ' || high
			FROM (SELECT pos >> 32 AS conv, count(*) AS n, min(pos & 4294967295) AS low, max(pos & 4294967295) AS high FROM message GROUP BY pos >> 32)
			LEFT JOIN conversation c ON c.id = conv
			WHERE c.id IS NULL OR low <> c.first_kept_seq OR n <> high - low + 1 OR high < c.last_seq`},
		{"no saved end lies behind the messages", `SELECT 'conversation ' || c.id || ': last seq ' || c.last_seq || ' without that message'
			FROM conversation c WHERE c.last_seq >= c.first_kept_seq AND NOT EXISTS (SELECT 1 FROM message m WHERE m.pos = c.id << 32 | c.last_seq)`},
		{"messages of a conversation are in the order of time", `SELECT 'message at ' || pos || ' is older than the one before it'
			FROM (SELECT pos, gid, lag(gid) OVER (PARTITION BY pos >> 32 ORDER BY pos) AS before FROM message) WHERE gid <= before`},
		{"each message is in the conversation of its users or group", `SELECT 'message at ' || m.pos || ' is not of its conversation'
			FROM message m JOIN conversation c ON c.id = m.pos >> 32
			WHERE CASE c.kind WHEN 3 THEN m.kind = 2 OR m.group_id <> c.user_a OR m.to_user <> 0
			ELSE m.kind <> c.kind OR min(m.from_user, m.to_user) <> c.user_a OR max(m.from_user, m.to_user) <> c.user_b END`},
		{"each deduplication key means its message", `SELECT 'key ' || hex(d.key) || ' of user ' || d.sender || ' means another message'
			FROM dedup d JOIN message m ON m.pos = d.pos WHERE m.from_user <> d.sender OR m.dedup IS NOT d.key`},
		{"cursors lie within their conversations", `SELECT 'device ' || k.device_id || ' is at ' || k.seq || ' in conversation ' || k.conv_id
			FROM device_cursor k LEFT JOIN conversation c ON c.id = k.conv_id
			WHERE c.id IS NULL OR k.seq < 0 OR k.seq > c.last_seq
			AND k.seq > coalesce((SELECT max(m.pos & 4294967295) FROM message m WHERE m.pos > c.id << 32 AND m.pos < (c.id + 1) << 32), 0)`},
		{"members know their conversations", `SELECT 'conversation ' || c.id || ' is unknown to user ' || u FROM
			(SELECT id, user_a AS u FROM conversation WHERE kind <> 3 UNION SELECT id, user_b FROM conversation WHERE kind <> 3) c
			WHERE NOT EXISTS (SELECT 1 FROM conv_member m WHERE m.user_id = c.u AND m.conv_id = c.id)`},
		{"addresses belong to users", `SELECT a.name || '@' || a.domain || ' belongs to nobody'
			FROM address a LEFT JOIN users u ON u.id = a.user_id WHERE u.id IS NULL OR u.removed <> 0`},
		{"each group has its conversation", `SELECT 'group ' || g.name || ' has none' FROM chat_group g
			WHERE NOT EXISTS (SELECT 1 FROM conversation c WHERE c.kind = 3 AND c.user_a = g.id)
			UNION ALL SELECT 'conversation ' || c.id || ' is of no group' FROM conversation c
			WHERE c.kind = 3 AND NOT EXISTS (SELECT 1 FROM chat_group g WHERE g.id = c.user_a)`},
		{"names of groups are theirs alone", `SELECT g.name || '@' || g.domain || ' is also a user or a hunt group' FROM chat_group g
			WHERE EXISTS (SELECT 1 FROM address a WHERE a.domain = g.domain AND a.name = g.name)
			OR EXISTS (SELECT 1 FROM hunt_address h WHERE h.name = g.name)`},
		{"members see their groups, and nobody else sees what comes", `SELECT 'user ' || m.user_id || ' in group ' || m.group_id || ' has no open window'
			FROM group_member m JOIN conversation c ON c.kind = 3 AND c.user_a = m.group_id JOIN chat_group g ON g.id = m.group_id
			WHERE g.dissolved IS NULL AND NOT EXISTS (SELECT 1 FROM group_window w WHERE w.user_id = m.user_id AND w.conv_id = c.id AND w.to_seq = 4294967295)
			UNION ALL SELECT 'user ' || w.user_id || ' sees conversation ' || w.conv_id || ' and is no member'
			FROM group_window w JOIN conversation c ON c.id = w.conv_id WHERE w.to_seq = 4294967295
			AND NOT EXISTS (SELECT 1 FROM group_member m WHERE m.user_id = w.user_id AND c.kind = 3 AND m.group_id = c.user_a)`},
		{"windows into groups lie side by side", `SELECT 'user ' || user_id || ' in conversation ' || conv_id || ' after ' || after_seq
			FROM (SELECT *, lag(to_seq) OVER (PARTITION BY user_id, conv_id ORDER BY after_seq) AS before FROM group_window)
			WHERE before >= after_seq OR to_seq < after_seq OR to_seq <> 4294967295 AND to_seq > 0
			AND NOT EXISTS (SELECT 1 FROM message m WHERE m.pos = conv_id << 32 | to_seq AND m.gid = to_gid)`},
		{"events of groups are not newer than their groups", `SELECT 'group ' || group_id || ': ' || count(*) || ' events up to version ' || max(version)
			FROM group_event e GROUP BY group_id HAVING max(version) > coalesce((SELECT g.version FROM chat_group g WHERE g.id = e.group_id), 0)`},
		{"groups can be read", `SELECT kind || ' ' || key || ' is garbled' FROM
			(SELECT 'group' AS kind, name AS key, record FROM chat_group
			UNION ALL SELECT 'device in a room', device_id, record FROM room_device
			UNION ALL SELECT 'subscription', call_id, record FROM subscription) WHERE NOT json_valid(record)`},
		{"lists know the newest messages", `SELECT 'user ' || m.user_id || ' in conversation ' || m.conv_id FROM conv_member m JOIN conversation c ON c.id = m.conv_id
			WHERE m.last_gid <> CASE c.kind WHEN 1 THEN c.last_gid ELSE 0 END`},
		{"what users decided is about messages that exist", `SELECT 'user ' || h.user_id || ' hid ' || h.pos FROM message_hidden h
			WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.pos = h.pos)
			UNION ALL SELECT 'user ' || s.user_id || ' starred ' || s.gid FROM star s WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.gid = s.gid)
			UNION ALL SELECT 'user ' || x.user_id || ' is mentioned at ' || x.pos FROM mention x WHERE NOT EXISTS (SELECT 1 FROM message m WHERE m.pos = x.pos)
			UNION ALL SELECT 'user ' || s.user_id || ' in conversation ' || s.conv_id FROM conv_state s WHERE NOT EXISTS (SELECT 1 FROM conversation c WHERE c.id = s.conv_id)`},
		{"stamps come before the last one", `SELECT 'conversation ' || conv_id || ' of user ' || user_id FROM
			(SELECT conv_id, user_id, changed FROM conv_state UNION ALL SELECT conv_id, user_id, changed FROM group_window)
			WHERE changed > (SELECT value FROM mark WHERE name = 'stamps')`},
		{"units are a tree", `WITH RECURSIVE below (id) AS (SELECT id FROM unit WHERE parent = 0 UNION SELECT u.id FROM unit u JOIN below b ON u.parent = b.id)
			SELECT 'unit ' || name || ' hangs in the air' FROM unit WHERE id NOT IN (SELECT id FROM below)`},
		{"people in units exist", `SELECT 'user ' || m.user_id || ' in unit ' || m.unit_id FROM unit_member m
			WHERE NOT EXISTS (SELECT 1 FROM unit u WHERE u.id = m.unit_id)
			OR NOT EXISTS (SELECT 1 FROM users u WHERE u.id = m.user_id AND u.removed = 0)`},
		{"call records can be read", `SELECT 'call ' || printf('%016x', id) || ': what was tried or measured is garbled'
			FROM call_record WHERE attempts <> '' AND NOT json_valid(attempts) OR quality <> '' AND NOT json_valid(quality)`},
		{"users know their calls", `SELECT 'call ' || printf('%016x', id) || ' is unknown to user ' || u FROM
			(SELECT id, caller_user AS u FROM call_record WHERE ended IS NOT NULL UNION SELECT id, callee_user FROM call_record WHERE ended IS NOT NULL) c
			WHERE u <> 0 AND id <= (SELECT value FROM mark WHERE name = 'calls')
			AND NOT EXISTS (SELECT 1 FROM call_user k WHERE k.user_id = u AND k.record_id = c.id)`},
		{"trunks know their calls", `SELECT 'call ' || printf('%016x', id) || ' is unknown to trunk ' || trunk FROM
			(SELECT id, caller_trunk AS trunk FROM call_record UNION SELECT id, callee_trunk FROM call_record) c
			WHERE trunk <> '' AND NOT EXISTS (SELECT 1 FROM call_trunk k WHERE k.trunk = c.trunk AND k.record_id = c.id)`},
		{"call settings belong to users and name classes", `SELECT 'settings of user ' || s.user_id || ' with class ' || s.class FROM call_setting s
			LEFT JOIN users u ON u.id = s.user_id WHERE u.id IS NULL OR u.removed <> 0
			OR s.class NOT IN ('', 'default') AND NOT EXISTS (SELECT 1 FROM class_of_service c WHERE c.name = s.class)`},
		{"addresses of hunt groups are theirs alone", `SELECT h.name || ' of hunt group ' || h.hunt_group FROM hunt_address h
			WHERE NOT EXISTS (SELECT 1 FROM hunt_group g WHERE g.name = h.hunt_group) OR EXISTS (SELECT 1 FROM address a WHERE a.name = h.name)
			UNION SELECT 'hunt group ' || g.name || ' without its name' FROM hunt_group g
			WHERE NOT EXISTS (SELECT 1 FROM hunt_address h WHERE h.name = g.name AND h.hunt_group = g.name)`},
		{"what steers calls can be read", `SELECT kind || ' ' || key || ' is garbled' FROM
			(SELECT 'call settings of user' AS kind, user_id AS key, record FROM call_setting
			UNION ALL SELECT 'class', name, record FROM class_of_service
			UNION ALL SELECT 'hunt group', name, record FROM hunt_group
			UNION ALL SELECT 'trunk', name, record FROM trunk) WHERE NOT json_valid(record)`},
	}
}

// Verify implements store.Maintenance. It reads everything: minutes for
// millions of messages.
func (db *DB) Verify(ctx context.Context, w io.Writer) (problems int, err error) {
	for _, c := range checks() {
		n, err := db.runCheck(ctx, w, c)
		if err != nil {
			return problems, fmt.Errorf("verify that %s: %w", c.rule, err)
		}
		problems += n
	}
	n, err := db.verifyAudit(ctx, w)
	if err != nil {
		return problems, fmt.Errorf("verify the audit log: %w", err)
	}
	problems += n
	n, err = db.verifySecrets(ctx, w)
	if err != nil {
		return problems, fmt.Errorf("verify the secrets: %w", err)
	}
	return problems + n, nil
}

func (db *DB) runCheck(ctx context.Context, w io.Writer, c check) (problems int, err error) {
	rows, err := db.reader.QueryContext(ctx, c.query)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return problems, err
		}
		problems++
		fmt.Fprintf(w, "broken: %s: %s\n", c.rule, line)
	}
	if err := rows.Err(); err != nil {
		return problems, err
	}
	if problems == 0 {
		fmt.Fprintf(w, "ok: %s\n", c.rule)
	}
	return problems, nil
}

// verifyAudit computes the chain of hashes again.
func (db *DB) verifyAudit(ctx context.Context, w io.Writer) (problems int, err error) {
	const rule = "the audit log is as it was written"
	rows, err := db.reader.QueryContext(ctx, `SELECT id, at, actor, action, object, detail, prev_hash, hash FROM audit ORDER BY id`)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	prev, last := []byte{}, int64(0)
	for rows.Next() {
		var e store.AuditEntry
		var at int64
		var told, hash []byte
		if err := rows.Scan(&e.ID, &at, &e.Actor, &e.Action, &e.Object, &e.Detail, &told, &hash); err != nil {
			return problems, err
		}
		e.At = timeOf(at)
		if e.ID != last+1 || !bytes.Equal(told, prev) || !bytes.Equal(hash, auditHash(told, e)) {
			problems++
			fmt.Fprintf(w, "broken: %s: entry %d was changed, or entries before it are gone\n", rule, e.ID)
		}
		prev, last = hash, e.ID
	}
	if problems == 0 && rows.Err() == nil {
		fmt.Fprintf(w, "ok: %s\n", rule)
	}
	return problems, rows.Err()
}

// verifySecrets opens what is sealed.
func (db *DB) verifySecrets(ctx context.Context, w io.Writer) (problems int, err error) {
	const rule = "secrets can be opened"
	rows, err := db.reader.QueryContext(ctx, `SELECT 'credential', realm || '|' || username, 'md5', md5 FROM credential
		UNION ALL SELECT 'credential', realm || '|' || username, 'sha256', sha256 FROM credential
		UNION ALL SELECT 'trunk', CAST(id AS TEXT), 'password', password FROM trunk
		UNION ALL SELECT 'setting', name, 'value', value FROM setting`)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		var table, key, column string
		var sealed []byte
		if err := rows.Scan(&table, &key, &column, &sealed); err != nil {
			return problems, err
		}
		if _, err := db.sealer.open(sealed, table, key, column); err != nil {
			problems++
			fmt.Fprintf(w, "broken: %s: %s %s: %v\n", rule, table, key, err)
		}
	}
	if problems == 0 && rows.Err() == nil {
		fmt.Fprintf(w, "ok: %s\n", rule)
	}
	return problems, rows.Err()
}
