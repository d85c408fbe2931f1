#include "adapters/sqlite/sq_sql.h"

#include "base/rc.h"

/* An event's own columns, in the order of sq_get_event. A prev that nobody knew when the event was
 * applied is the row before it in the conversation, looked up when read. */
#define EVENT_COLUMNS                                                                              \
    " e.seq, coalesce(e.prev, (SELECT max(p.seq) FROM events p"                                    \
    "   WHERE p.conversation = e.conversation AND p.seq < e.seq), 0),"                             \
    " e.at_us, e.kind, e.actor, e.client_id, e.target_seq, e.of_seq, e.thread_of, e.user, e.role," \
    " e.type, e.history, e.name, e.emoji, e.reason, e.body_hash, e.payload"

/* A message as sq_get_message reads it: the event, then its edit, deletion and pin. */
#define MESSAGE_SELECT                                                                             \
    "SELECT" EVENT_COLUMNS ", o.edit_seq, ed.at_us, ed.payload, o.delete_seq, de.at_us,"           \
    " o.is_pinned"                                                                                 \
    " FROM events e LEFT JOIN overlays o ON o.conversation = e.conversation AND o.seq = e.seq"     \
    " LEFT JOIN events ed ON ed.conversation = o.conversation AND ed.seq = o.edit_seq"             \
    " LEFT JOIN events de ON de.conversation = o.conversation AND de.seq = o.delete_seq"           \
    " WHERE e.kind = 'm' AND "

/* ?1 conversation, ?2 the seq or time that divides, ?3 first, ?4 last seq shown, ?5 limit. The plus
 * keeps the bounds from being taken for a reason to read by seq and sort. */
#define MESSAGES_BY_SEQ(test)                                                                      \
    MESSAGE_SELECT "e.conversation = ?1 AND e.seq " test " AND e.seq BETWEEN ?3 AND ?4"
#define MESSAGES_BY_TIME(test)                                                                     \
    MESSAGE_SELECT "e.conversation = ?1 AND e.at_us " test " AND +e.seq BETWEEN ?3 AND ?4"

#define CONVERSATION_COLUMNS                                                                       \
    " c.no, c.id, c.type, c.history, c.name, c.created_by, c.created_at_us, c.created_seq,"        \
    " c.updated_seq, c.deleted_seq, c.last_seq"

#define MEMBERSHIP_COLUMNS                                                                         \
    " m.user, m.is_member, m.role, m.joined_seq, m.removed_seq, m.changed_seq"

#define ACCOUNT_SELECT                                                                             \
    "SELECT user, username, username_key, email, email_key, password, roles, is_banned,"           \
    " created_at_us, password_at_us FROM accounts"

#define SESSION_COLUMNS                                                                            \
    " id, user, device, device_id, range, created_at_us, seen_at_us, expires_at_us, ends_at_us,"   \
    " family, refresh, previous, salt, turned_at_us"

static const char *const texts[SQL_COUNT] = {
    [SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [SQL_BEGIN_READ] = "BEGIN",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_PING] = "SELECT count(*) FROM (SELECT 1 FROM partitions LIMIT 1)",

    [SQL_EVENT_ADD] =
        "INSERT INTO events (id, conversation, partition, seq, prev, at_us, kind, actor, client_id,"
        " target_seq, of_seq, thread_of, user, role, type, history, name, emoji, reason,"
        " body_hash, payload)"
        " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
    [SQL_EVENT_PLACE] = "SELECT conversation, kind, of_seq, body_hash FROM events"
                        " WHERE partition = ? AND seq = ?",
    [SQL_EVENT_LAST_ID] = "SELECT max(id) FROM events WHERE id BETWEEN ? AND ?",
    [SQL_EVENT_FORGET_PREV] = /* ?1 conversation, ?2 the seq that came between */
    "UPDATE events SET prev = NULL WHERE conversation = ?1 AND prev < ?2 AND seq ="
    " (SELECT min(n.seq) FROM events n WHERE n.conversation = ?1 AND n.seq > ?2)",
    [SQL_EVENT_VOID] = /* ?1 first, ?2 conversation, ?3 seq, ?4 kind */
    "UPDATE events SET kind = '0', reason = 'duplicate', of_seq = ?1, thread_of = NULL,"
    " type = NULL, history = NULL, name = NULL, payload = NULL"
    " WHERE conversation = ?2 AND seq = ?3 AND kind = ?4",
    [SQL_EVENT_VOIDS_MOVE] = /* ?1 to, ?2 conversation, ?3 from */
    "UPDATE events SET of_seq = ?1"
    " WHERE conversation = ?2 AND of_seq = ?3 AND kind = '0' AND reason = 'duplicate'",
    [SQL_ALIAS_VOIDS_MOVE] = /* ?1 first, ?2 conversation */
    "UPDATE events SET of_seq = ?1 WHERE conversation = ?2 AND kind = '0'"
    " AND reason = 'duplicate' AND seq IN"
    " (SELECT seq FROM aliases WHERE conversation = ?2 AND first = ?1)",
    [SQL_OPERATION_ADD] =
        "INSERT INTO operations (conversation, actor, client_id, op, body_hash, seq)"
        " VALUES (?,?,?,?,?,?) ON CONFLICT DO NOTHING",
    [SQL_OPERATION_FIRST] =
        "SELECT seq FROM operations WHERE conversation = ? AND actor = ? AND client_id = ?"
        " AND op = ? AND body_hash = ?",
    [SQL_OPERATION_LOWER] =
        "UPDATE operations SET seq = ?6 WHERE conversation = ?1 AND actor = ?2 AND client_id = ?3"
        " AND op = ?4 AND body_hash = ?5 AND seq > ?6",
    [SQL_ALIAS_ADD] = "INSERT INTO aliases (conversation, seq, first) VALUES (?,?,?)",
    [SQL_ALIAS_GET] = "SELECT first FROM aliases WHERE conversation = ? AND seq = ?",
    [SQL_ALIAS_MOVE] = "UPDATE aliases SET first = ?1 WHERE conversation = ?2 AND first = ?3",
    [SQL_OVERLAY_MERGE] = /* the highest edit, the first deletion, the last of pins and unpins */
    "INSERT INTO overlays (conversation, seq, edit_seq, delete_seq, pin_seq, is_pinned)"
    " VALUES (?,?,?,?,?,?) ON CONFLICT (conversation, seq) DO UPDATE SET"
    " edit_seq = coalesce(max(edit_seq, excluded.edit_seq), edit_seq, excluded.edit_seq),"
    " delete_seq = coalesce(min(delete_seq, excluded.delete_seq), delete_seq,"
    "   excluded.delete_seq),"
    " is_pinned = CASE WHEN excluded.pin_seq IS NULL OR pin_seq > excluded.pin_seq"
    "   THEN is_pinned ELSE excluded.is_pinned END,"
    " pin_seq = coalesce(max(pin_seq, excluded.pin_seq), pin_seq, excluded.pin_seq)",
    [SQL_OVERLAY_GET] = "SELECT edit_seq, delete_seq, pin_seq, is_pinned FROM overlays"
                        " WHERE conversation = ? AND seq = ?",
    [SQL_OVERLAY_REMOVE] = "DELETE FROM overlays WHERE conversation = ? AND seq = ?",
    [SQL_CONVERSATION_ADD] = "INSERT INTO conversations (id, last_seq) VALUES (?, 0) RETURNING no",
    [SQL_CONVERSATION_SET] =
        "UPDATE conversations SET type = ?, history = ?, name = ?, created_by = ?,"
        " created_at_us = ?, created_seq = ?, updated_seq = ?, deleted_seq = ?, last_seq = ?"
        " WHERE no = ?",
    [SQL_MEMBERSHIP_SET] =
        "INSERT INTO memberships (conversation, user, is_member, role, joined_seq, removed_seq,"
        " changed_seq) VALUES (?,?,?,?,?,?,?) ON CONFLICT (conversation, user) DO UPDATE SET"
        " is_member = excluded.is_member, role = excluded.role, joined_seq = excluded.joined_seq,"
        " removed_seq = excluded.removed_seq, changed_seq = excluded.changed_seq",
    [SQL_MEMBER_EVENTS] = "SELECT" EVENT_COLUMNS " FROM events e WHERE e.conversation = ?"
                          " AND e.user = ? ORDER BY e.seq",
    [SQL_FEED_PUT] =
        "INSERT INTO user_feed (user, conversation, feed_seq, conversation_seq) VALUES (?,?,?,?)"
        " ON CONFLICT (user, conversation) DO UPDATE SET feed_seq = excluded.feed_seq,"
        " conversation_seq = excluded.conversation_seq WHERE excluded.feed_seq > feed_seq",
    [SQL_PARTITION_ADD] = /* ?3 generation << 40 */
    "INSERT INTO partitions (generation, partition, applied, emitted) VALUES (?1,?2,?3,?3)"
    " ON CONFLICT DO NOTHING",
    [SQL_APPLIED_MOVE] = /* ?3 from, ?4 to */
    "UPDATE partitions SET applied = ?4 WHERE generation = ?1 AND partition = ?2"
    " AND applied >= ?3 - 1 AND applied < ?4",
    [SQL_EMITTED_MOVE] = "UPDATE partitions SET emitted = ?3 WHERE generation = ?1"
                         " AND partition = ?2 AND emitted < ?3",

    [SQL_PARTITION_GET] =
        "SELECT applied, emitted FROM partitions WHERE generation = ? AND partition = ?",
    [SQL_CONVERSATION_NO] = "SELECT no FROM conversations WHERE id = ?",
    [SQL_CONVERSATION_GET] = "SELECT" CONVERSATION_COLUMNS " FROM conversations c WHERE c.id = ?",
    [SQL_EVENTS] = "SELECT" EVENT_COLUMNS " FROM events e WHERE e.conversation = ? AND e.seq > ?"
                   " AND e.seq <= ? ORDER BY e.seq LIMIT ?",
    [SQL_EVENT_BY_OPERATION] = /* an operation that became a void keeps its ids under '0' */
    "SELECT" EVENT_COLUMNS " FROM operations o JOIN events e ON"
    " e.conversation = o.conversation AND e.seq = o.seq"
    " WHERE o.conversation = ?1 AND o.actor = ?2 AND o.client_id = ?3 AND o.op IN (?4, '0')"
    " ORDER BY o.op = '0', o.seq LIMIT 1",
    [SQL_MESSAGES_BEFORE] = MESSAGES_BY_SEQ("< ?2") " ORDER BY e.seq DESC LIMIT ?5",
    [SQL_MESSAGES_AFTER] = MESSAGES_BY_SEQ("> ?2") " ORDER BY e.seq LIMIT ?5",
    [SQL_MESSAGES_FROM] = MESSAGES_BY_SEQ(">= ?2") " ORDER BY e.seq LIMIT ?5",
    [SQL_MESSAGES_BEFORE_TIME] =
        MESSAGES_BY_TIME("< ?2") " ORDER BY e.at_us DESC, e.seq DESC LIMIT ?5",
    [SQL_MESSAGES_AFTER_TIME] = MESSAGES_BY_TIME("> ?2") " ORDER BY e.at_us, e.seq LIMIT ?5",
    [SQL_MESSAGES_FROM_TIME] = MESSAGES_BY_TIME(">= ?2") " ORDER BY e.at_us, e.seq LIMIT ?5",
    [SQL_MESSAGE_GET] = MESSAGE_SELECT "e.conversation = ? AND e.seq = ?",
    [SQL_MESSAGE_BY_OPERATION] =
        MESSAGE_SELECT "e.conversation = ?1 AND e.seq ="
                       " (SELECT min(p.seq) FROM operations p WHERE p.conversation = ?1"
                       " AND p.actor = ?2 AND p.client_id = ?3 AND p.op = 'm')",
    [SQL_MESSAGE_LAST] = MESSAGE_SELECT "e.conversation = ? AND o.delete_seq IS NULL"
                                        " AND e.seq >= ? ORDER BY e.seq DESC LIMIT 1",
    [SQL_UNREAD] = "SELECT e.actor, o.delete_seq FROM events e LEFT JOIN overlays o"
                   " ON o.conversation = e.conversation AND o.seq = e.seq"
                   " WHERE e.conversation = ? AND e.kind = 'm' AND e.seq > ? ORDER BY e.seq DESC",
    [SQL_MEMBERSHIP_GET] =
        "SELECT" MEMBERSHIP_COLUMNS " FROM memberships m WHERE m.conversation = ? AND m.user = ?",
    [SQL_MEMBERS] = "SELECT" MEMBERSHIP_COLUMNS " FROM memberships m WHERE m.conversation = ?"
                    " AND m.user > ? AND m.is_member = 1 ORDER BY m.user LIMIT ?",
    [SQL_CONVERSATIONS_OF] = "SELECT" CONVERSATION_COLUMNS "," MEMBERSHIP_COLUMNS
                             " FROM memberships m JOIN conversations c ON c.id = m.conversation"
                             " WHERE m.user = ? AND m.is_member = 1 AND m.conversation > ?"
                             " AND c.created_seq IS NOT NULL ORDER BY m.conversation LIMIT ?",
    [SQL_PEER_OF] = "SELECT m.user FROM memberships m WHERE m.conversation = ? AND m.user <> ?"
                    " ORDER BY m.is_member DESC, m.user LIMIT 1",
    [SQL_CHANNELS] = /* lower() knows ASCII only, which is what is promised */
    "SELECT" CONVERSATION_COLUMNS " FROM conversations c WHERE c.type = 'channel'"
    " AND c.deleted_seq IS NULL AND c.id > ?1 AND (?2 = '' OR"
    " instr(lower(c.name), lower(?2)) > 0) ORDER BY c.id LIMIT ?3",
    [SQL_FEED_GET] = "SELECT conversation, feed_seq, conversation_seq FROM user_feed WHERE user = ?"
                     " AND feed_seq > ? ORDER BY feed_seq LIMIT ?",
    [SQL_SCAN] = "SELECT e.seq, c.id, e.kind FROM events e JOIN conversations c"
                 " ON c.no = e.conversation WHERE e.partition = ? AND e.seq > ? AND e.seq <= ?"
                 " ORDER BY e.seq",

    [SQL_USER_ADD] = "INSERT INTO users (id, name, created_at_us, updated_at_us, is_deleted)"
                     " VALUES (?1, ?2, ?3, ?3, 0) ON CONFLICT DO NOTHING",
    [SQL_USER_RENAME] = "UPDATE users SET name = ?2, updated_at_us = ?3 WHERE id = ?1"
                        " AND name <> ?2 AND is_deleted = 0",
    [SQL_USER_GET] =
        "SELECT id, name, created_at_us, updated_at_us, is_deleted FROM users WHERE id = ?",
    [SQL_USERS] =
        "SELECT id, name, created_at_us, updated_at_us, is_deleted FROM users"
        " WHERE id > ?1 AND is_deleted = 0 AND (?2 = '' OR instr(lower(id), lower(?2)) > 0"
        " OR instr(lower(name), lower(?2)) > 0) ORDER BY id LIMIT ?3",
    [SQL_USER_ERASE] = "UPDATE users SET name = '', is_deleted = 1, updated_at_us = ?2"
                       " WHERE id = ?1 AND is_deleted = 0",
    [SQL_REQUEST_GET] =
        "SELECT hash, status, body FROM requests WHERE user = ? AND key = ? AND expires_at_us > ?",
    [SQL_REQUEST_PUT] = /* ?7 now: what has expired is no longer the first answer */
    "INSERT INTO requests (user, key, hash, status, body, expires_at_us)"
    " VALUES (?1,?2,?3,?4,?5,?6) ON CONFLICT (user, key) DO UPDATE SET hash = excluded.hash,"
    " status = excluded.status, body = excluded.body, expires_at_us = excluded.expires_at_us"
    " WHERE expires_at_us <= ?7",
    [SQL_REQUEST_SWEEP] = "DELETE FROM requests WHERE (user, key) IN (SELECT user, key"
                          " FROM requests WHERE expires_at_us <= ? LIMIT ?)",

    [SQL_ACCOUNT_ADD] = "INSERT INTO accounts (user, username, username_key, email, email_key,"
                        " password, roles, is_banned, created_at_us, password_at_us)"
                        " VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
    [SQL_ACCOUNT_TAKEN] = /* ?1 username_key, ?2 email_key */
    "SELECT count(*), max(username_key = ?1) FROM accounts"
    " WHERE username_key = ?1 OR email_key = ?2",
    [SQL_ACCOUNT_BY_USER] = ACCOUNT_SELECT " WHERE user = ?",
    [SQL_ACCOUNT_BY_USERNAME] = ACCOUNT_SELECT " WHERE username_key = ?",
    [SQL_ACCOUNT_BY_EMAIL] = ACCOUNT_SELECT " WHERE email_key = ?",
    [SQL_ACCOUNTS] = ACCOUNT_SELECT " WHERE username_key > ? ORDER BY username_key LIMIT ?",
    [SQL_ACCOUNT_SET_PASSWORD] = /* ?2 the hash that is there, '' for any */
    "UPDATE accounts SET password = ?3, password_at_us = ?4 WHERE user = ?1"
    " AND (?2 = '' OR password = ?2)",
    [SQL_ACCOUNT_SET_EMAIL] = "UPDATE OR IGNORE accounts SET email = ?2, email_key = ?3"
                              " WHERE user = ?1",
    [SQL_ACCOUNT_SET_ROLES] = "UPDATE accounts SET roles = ?2 WHERE user = ?1",
    [SQL_ACCOUNT_SET_BANNED] = "UPDATE accounts SET is_banned = ?2 WHERE user = ?1",
    [SQL_ACCOUNT_REMOVE] = "DELETE FROM accounts WHERE user = ?",
    [SQL_SESSION_ADD] = "INSERT INTO sessions (" SESSION_COLUMNS ")"
                        " VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [SQL_SESSION_GET] = "SELECT" SESSION_COLUMNS " FROM sessions WHERE id = ?",
    [SQL_SESSIONS_OF] = "SELECT" SESSION_COLUMNS " FROM sessions WHERE user = ? AND"
                        " expires_at_us > ? ORDER BY seen_at_us DESC, id DESC LIMIT ?",
    [SQL_SESSION_TURN] =
        "UPDATE sessions SET refresh = ?3, previous = ?4, salt = ?5, turned_at_us = ?6,"
        " seen_at_us = ?7, expires_at_us = ?8, range = ?9 WHERE id = ?1 AND refresh = ?2",
    [SQL_SESSION_END] = "DELETE FROM sessions WHERE id = ? AND user = ?",
    [SQL_SESSIONS_END] = "DELETE FROM sessions WHERE user = ? AND id <> ?",
    [SQL_SESSION_SWEEP] = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions"
                          " WHERE expires_at_us <= ? LIMIT ?)",
    [SQL_MAILED_PUT] =
        "INSERT INTO mailed (use, user, hash, email, email_key, expires_at_us) VALUES (?,?,?,?,?,?)"
        " ON CONFLICT (use, user) DO UPDATE SET hash = excluded.hash, email = excluded.email,"
        " email_key = excluded.email_key, expires_at_us = excluded.expires_at_us",
    [SQL_MAILED_GET] = "SELECT user, email, email_key, expires_at_us FROM mailed"
                       " WHERE use = ? AND hash = ? AND expires_at_us > ?",
    [SQL_MAILED_REMOVE] = "DELETE FROM mailed WHERE use = ? AND hash = ?",
    [SQL_MAILED_REMOVE_OF] = "DELETE FROM mailed WHERE use IN (0, 1) AND user = ?",
    [SQL_MAILED_SWEEP] = "DELETE FROM mailed WHERE (use, user) IN (SELECT use, user FROM mailed"
                         " WHERE expires_at_us <= ? LIMIT ?)",
};

const char *sq_sql_text(enum sq_sql sql)
{
    return texts[sql];
}
