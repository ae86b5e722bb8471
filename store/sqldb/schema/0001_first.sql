-- Times are milliseconds since 1970 in UTC; identifiers are 64 bit integers.

CREATE TABLE users (
  id INTEGER PRIMARY KEY,
  username TEXT NOT NULL,
  domain TEXT NOT NULL,
  display_name TEXT NOT NULL,
  folded TEXT NOT NULL, -- what a search in the list of users looks through, see foldUser
  picture TEXT NOT NULL, -- name of an upload, '' for none
  disabled INTEGER NOT NULL,
  admin INTEGER NOT NULL,
  created INTEGER NOT NULL,
  removed INTEGER NOT NULL DEFAULT 0, -- when; the row stays, because the archive keeps the name
  version INTEGER NOT NULL
);

-- User names and numbers share one name space, so one key keeps both unique.
CREATE TABLE address (
  domain TEXT NOT NULL,
  name TEXT NOT NULL,
  user_id INTEGER NOT NULL,
  ordinal INTEGER NOT NULL, -- 0 the user name, from 1 the numbers in their order
  PRIMARY KEY (domain, name)
) WITHOUT ROWID;
CREATE INDEX address_user ON address (user_id, ordinal);

CREATE TABLE credential (
  realm TEXT NOT NULL,
  username TEXT NOT NULL,
  user_id INTEGER NOT NULL,
  md5 BLOB,    -- HA1, sealed
  sha256 BLOB, -- HA1, sealed
  disabled INTEGER NOT NULL,
  version INTEGER NOT NULL,
  PRIMARY KEY (realm, username)
) WITHOUT ROWID;
CREATE INDEX credential_user ON credential (user_id);

-- Device numbers are never used again: cursors and traces name them.
CREATE TABLE device (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id INTEGER NOT NULL,
  instance TEXT NOT NULL,
  user_agent TEXT NOT NULL,
  accept TEXT NOT NULL, -- one media type a line
  specs TEXT NOT NULL,
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  revoked INTEGER,
  UNIQUE (user_id, instance)
);

CREATE TABLE binding (
  user_id INTEGER NOT NULL,
  instance TEXT NOT NULL,
  reg_id INTEGER NOT NULL,
  contact_key TEXT NOT NULL, -- the Contact where there is no instance, else ''
  device_id INTEGER NOT NULL,
  contact TEXT NOT NULL,
  params TEXT NOT NULL,
  path TEXT NOT NULL, -- one value a line
  q INTEGER NOT NULL,
  call_id TEXT NOT NULL,
  cseq INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  received TEXT NOT NULL,
  local TEXT NOT NULL,
  user_agent TEXT NOT NULL,
  PRIMARY KEY (user_id, instance, reg_id, contact_key)
) WITHOUT ROWID;

-- The name of a group stays taken when the group is dissolved.
CREATE TABLE chat_group (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  domain TEXT NOT NULL,
  name TEXT NOT NULL, -- lower case
  version INTEGER NOT NULL,
  dissolved INTEGER,
  record TEXT NOT NULL, -- JSON
  UNIQUE (domain, name)
);

-- Who is in a group now.
CREATE TABLE group_member (
  group_id INTEGER NOT NULL,
  user_id INTEGER NOT NULL,
  role INTEGER NOT NULL,
  nickname TEXT NOT NULL,
  joined INTEGER NOT NULL,
  joined_seq INTEGER NOT NULL,
  muted_until INTEGER,
  PRIMARY KEY (group_id, user_id)
) WITHOUT ROWID;

-- What users see of the conversations of groups: messages after after_seq up to
-- to_seq, which is 2^32-1 for a member. Who leaves and comes back has two of them.
CREATE TABLE group_window (
  user_id INTEGER NOT NULL,
  conv_id INTEGER NOT NULL,
  after_seq INTEGER NOT NULL,
  to_seq INTEGER NOT NULL,
  to_gid INTEGER NOT NULL,  -- of the message at to_seq, 0 for a member
  changed INTEGER NOT NULL, -- the stamp of the last change
  PRIMARY KEY (user_id, conv_id, after_seq)
) WITHOUT ROWID;

CREATE TABLE group_event (
  group_id INTEGER NOT NULL,
  version INTEGER NOT NULL,
  at INTEGER NOT NULL,
  by_user INTEGER NOT NULL,
  action TEXT NOT NULL,
  user_id INTEGER NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (group_id, version)
) WITHOUT ROWID;

CREATE TABLE room_device (
  group_id INTEGER NOT NULL,
  device_id INTEGER NOT NULL,
  user_id INTEGER NOT NULL,
  record TEXT NOT NULL, -- JSON
  PRIMARY KEY (group_id, device_id)
) WITHOUT ROWID;

CREATE TABLE subscription (
  call_id TEXT NOT NULL,
  local_tag TEXT NOT NULL,
  remote_tag TEXT NOT NULL,
  event TEXT NOT NULL,
  user_id INTEGER NOT NULL,
  record TEXT NOT NULL, -- JSON
  PRIMARY KEY (call_id, local_tag, remote_tag, event)
) WITHOUT ROWID;

-- The tree of the organisation; parent 0 is above the roots.
CREATE TABLE unit (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  parent INTEGER NOT NULL,
  name TEXT NOT NULL,
  ordinal INTEGER NOT NULL,
  version INTEGER NOT NULL,
  UNIQUE (parent, name)
);

CREATE TABLE unit_member (
  unit_id INTEGER NOT NULL,
  user_id INTEGER NOT NULL,
  title TEXT NOT NULL,
  hidden INTEGER NOT NULL,
  PRIMARY KEY (unit_id, user_id)
) WITHOUT ROWID;
CREATE INDEX unit_member_user ON unit_member (user_id);

-- Messages of two users (kind 1), receipts between them (2), and all of a group
-- (3: user_a is the group, user_b 0). last_seq and last_gid trail behind the
-- messages: they are written now and then, and brought up to date from
-- message_gid when the store opens.
CREATE TABLE conversation (
  id INTEGER PRIMARY KEY, -- dense, below 2^31
  kind INTEGER NOT NULL,
  user_a INTEGER NOT NULL, -- of two the smaller one
  user_b INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,
  last_gid INTEGER NOT NULL,
  first_kept_seq INTEGER NOT NULL DEFAULT 1,
  UNIQUE (kind, user_a, user_b)
);

-- Who is in the conversations of two.
CREATE TABLE conv_member (
  user_id INTEGER NOT NULL,
  conv_id INTEGER NOT NULL,
  last_gid INTEGER NOT NULL DEFAULT 0, -- trails as in conversation; 0 for receipts
  PRIMARY KEY (user_id, conv_id)
) WITHOUT ROWID;
CREATE INDEX conv_member_newest ON conv_member (user_id, last_gid) WHERE last_gid > 0;

-- What users have decided about conversations.
CREATE TABLE conv_state (
  conv_id INTEGER NOT NULL,
  user_id INTEGER NOT NULL,
  read_seq INTEGER NOT NULL,
  cleared_seq INTEGER NOT NULL,
  hidden_seq INTEGER, -- it was hidden when it ended here
  pinned INTEGER,
  mute TEXT NOT NULL,
  mute_until INTEGER,
  unread INTEGER NOT NULL,
  labels TEXT NOT NULL,     -- one a line
  changed INTEGER NOT NULL, -- the stamp of the last change
  PRIMARY KEY (conv_id, user_id)
) WITHOUT ROWID;
CREATE INDEX conv_state_changed ON conv_state (user_id, changed);
CREATE INDEX conv_state_placed ON conv_state (user_id) WHERE pinned IS NOT NULL OR hidden_seq IS NOT NULL;

-- Who is addressed by a message; user 0 is everybody.
CREATE TABLE mention (
  user_id INTEGER NOT NULL,
  pos INTEGER NOT NULL,
  PRIMARY KEY (user_id, pos)
) WITHOUT ROWID;

CREATE TABLE message_hidden (
  user_id INTEGER NOT NULL,
  pos INTEGER NOT NULL,
  PRIMARY KEY (user_id, pos)
) WITHOUT ROWID;

CREATE TABLE star (
  user_id INTEGER NOT NULL,
  gid INTEGER NOT NULL,
  at INTEGER NOT NULL,
  note TEXT NOT NULL,
  PRIMARY KEY (user_id, gid)
) WITHOUT ROWID;

-- pos is conv_id<<32 | seq: a page of a conversation lies side by side.
CREATE TABLE message (
  pos INTEGER PRIMARY KEY,
  gid INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  from_user INTEGER NOT NULL,
  to_user INTEGER NOT NULL,  -- 0: a group
  group_id INTEGER NOT NULL, -- of a receipt: whose message it is about
  from_device INTEGER NOT NULL,
  mentions TEXT, -- numbers of users, 0 for all, separated by commas
  dedup BLOB,
  call_id TEXT NOT NULL,
  message_id TEXT NOT NULL,
  content_type TEXT NOT NULL,
  encoding TEXT NOT NULL,
  headers TEXT NOT NULL,
  text TEXT, -- NULL: the same as body
  trace_id TEXT NOT NULL,
  source TEXT NOT NULL,
  body BLOB NOT NULL
);
CREATE UNIQUE INDEX message_gid ON message (gid);

CREATE TABLE dedup (
  sender INTEGER NOT NULL,
  key BLOB NOT NULL,
  pos INTEGER NOT NULL,
  PRIMARY KEY (sender, key)
) WITHOUT ROWID;

CREATE TABLE device_cursor (
  device_id INTEGER NOT NULL,
  conv_id INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (device_id, conv_id)
) WITHOUT ROWID;

-- Nothing at or below gid is owed to the device, but what is replayed to it.
CREATE TABLE device_start (
  device_id INTEGER PRIMARY KEY,
  gid INTEGER NOT NULL,
  settled INTEGER NOT NULL DEFAULT 0 -- what is replayed has been decided
);

-- The messages from one seq to another are owed to the device although they are
-- older than it, or than its user in the group.
CREATE TABLE device_replay (
  device_id INTEGER NOT NULL,
  conv_id INTEGER NOT NULL,
  from_seq INTEGER NOT NULL,
  to_seq INTEGER NOT NULL,
  PRIMARY KEY (device_id, conv_id)
) WITHOUT ROWID;

CREATE TABLE delivery (
  gid INTEGER NOT NULL,
  device_id INTEGER NOT NULL,
  status INTEGER NOT NULL,
  rendering TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (gid, device_id)
) WITHOUT ROWID;

-- Messages of a conversation that a device took one after the other within a
-- moment, with the same outcome: one row instead of one each in delivery.
CREATE TABLE delivery_span (
  conv_id INTEGER NOT NULL,
  from_seq INTEGER NOT NULL,
  device_id INTEGER NOT NULL,
  to_seq INTEGER NOT NULL, -- at most 255 more
  status INTEGER NOT NULL,
  rendering TEXT NOT NULL,
  at INTEGER NOT NULL, -- of the last one
  PRIMARY KEY (conv_id, from_seq, device_id)
) WITHOUT ROWID;

CREATE TABLE call_record (
  id INTEGER PRIMARY KEY, -- grows with time as the gid of a message does
  call_id TEXT NOT NULL,
  trace_id TEXT NOT NULL,
  direction TEXT NOT NULL,
  started INTEGER NOT NULL,
  caller_user INTEGER NOT NULL, -- 0: not one of ours
  caller_address TEXT NOT NULL,
  caller_shown TEXT NOT NULL,
  caller_trunk TEXT NOT NULL,
  caller_device TEXT NOT NULL,
  dialled TEXT NOT NULL,
  number TEXT NOT NULL,
  callee_user INTEGER NOT NULL,
  callee_address TEXT NOT NULL,
  callee_shown TEXT NOT NULL,
  callee_trunk TEXT NOT NULL,
  callee_device TEXT NOT NULL,
  ringing INTEGER,
  answered INTEGER,
  ended INTEGER,
  status INTEGER NOT NULL,
  reason TEXT NOT NULL,
  cause INTEGER NOT NULL,
  ended_by TEXT NOT NULL,
  attempts TEXT NOT NULL, -- JSON, '' for none
  quality TEXT NOT NULL   -- JSON, '' for none
);
CREATE INDEX call_record_open ON call_record (id) WHERE ended IS NULL;

-- Where the calls of a user and of a Call-ID are. Their keys come in no order,
-- so they are written in bulk: of all calls up to the mark 'calls' that are over.
CREATE TABLE call_user (
  user_id INTEGER NOT NULL,
  record_id INTEGER NOT NULL,
  PRIMARY KEY (user_id, record_id)
) WITHOUT ROWID;

CREATE TABLE call_name (
  call_id TEXT NOT NULL,
  record_id INTEGER NOT NULL,
  PRIMARY KEY (call_id, record_id)
) WITHOUT ROWID;

-- The trunks of a call: where it came from, and all that were tried.
CREATE TABLE call_trunk (
  trunk TEXT NOT NULL,
  record_id INTEGER NOT NULL,
  PRIMARY KEY (trunk, record_id)
) WITHOUT ROWID;

-- What steers calls: keys in columns, the rest in record, as JSON.
CREATE TABLE call_setting (
  user_id INTEGER PRIMARY KEY,
  class TEXT NOT NULL, -- '' the default one
  version INTEGER NOT NULL,
  record TEXT NOT NULL
);

CREATE TABLE class_of_service (
  name TEXT PRIMARY KEY,
  version INTEGER NOT NULL,
  record TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE hunt_group (
  name TEXT PRIMARY KEY, -- lower case
  version INTEGER NOT NULL,
  record TEXT NOT NULL
) WITHOUT ROWID;

-- Names and numbers of hunt groups; none of them is in address, and none of
-- address here.
CREATE TABLE hunt_address (
  name TEXT PRIMARY KEY,
  hunt_group TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX hunt_address_group ON hunt_address (hunt_group);

-- Numbers of trunks are never used again: they are sealed with the password.
CREATE TABLE trunk (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  password BLOB, -- sealed
  version INTEGER NOT NULL,
  record TEXT NOT NULL
);

CREATE TABLE audit (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  action TEXT NOT NULL,
  object TEXT NOT NULL,
  detail TEXT NOT NULL,
  prev_hash BLOB NOT NULL,
  hash BLOB NOT NULL
);

CREATE TABLE token (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  user_id INTEGER NOT NULL, -- 0: of an administrator
  hash BLOB NOT NULL UNIQUE,
  created INTEGER NOT NULL,
  expires INTEGER,
  last_used INTEGER,
  revoked INTEGER
);

CREATE TABLE setting (
  name TEXT PRIMARY KEY,
  value BLOB NOT NULL -- sealed
) WITHOUT ROWID;

-- Marks of the store itself, all but the probe gids: up to which message the
-- conversations and the deduplication keys are written, and the keys pruned; up
-- to which call call_user and call_name are; the last stamp that was no message's.
CREATE TABLE mark (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO mark (name, value) VALUES ('heads', 0), ('keys', 0), ('pruned', 0), ('probe', 0), ('calls', 0), ('stamps', 0);
