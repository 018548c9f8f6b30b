/* Bytes of Raft messages.
 *
 *   kind 1 | flags 1 | from 4 | to 4 | term 8 | the fields of the kind, 8 each | APPEND: count 4
 *
 * Flags: bit 0 reject, bit 1 forced. Each kind carries only the fields its row of the table names,
 * in the order of enum field; the others are zero after decoding. The entries of an APPEND follow:
 *
 *   term 8 | hlc 8 | kind 1 | size 4 | payload
 */
#include "core/raft/message.h"

#include "base/check.h"
#include "base/err.h"

enum field {
    FIELD_PREV_INDEX = 1 << 0,
    FIELD_PREV_TERM = 1 << 1,
    FIELD_COMMIT = 1 << 2,
    FIELD_INDEX = 1 << 3,
    FIELD_HINT_INDEX = 1 << 4,
    FIELD_HINT_TERM = 1 << 5,
    FIELD_CONTEXT = 1 << 6
};

enum flag { FLAG_REJECT = 1 << 0, FLAG_FORCED = 1 << 1 };

struct layout {
    unsigned fields;
    unsigned flags; /* Those the kind may have. */
};

/* By kind; kind 0 does not exist. */
static const struct layout layouts[] = {
    [RAFT_MSG_PRE_VOTE] = {FIELD_PREV_INDEX | FIELD_PREV_TERM, 0},
    [RAFT_MSG_PRE_VOTE_REPLY] = {0, FLAG_REJECT},
    [RAFT_MSG_VOTE] = {FIELD_PREV_INDEX | FIELD_PREV_TERM, FLAG_FORCED},
    [RAFT_MSG_VOTE_REPLY] = {0, FLAG_REJECT},
    [RAFT_MSG_APPEND] = {FIELD_PREV_INDEX | FIELD_PREV_TERM | FIELD_COMMIT | FIELD_INDEX, 0},
    [RAFT_MSG_APPEND_REPLY] = {FIELD_INDEX | FIELD_HINT_INDEX | FIELD_HINT_TERM, FLAG_REJECT},
    [RAFT_MSG_HEARTBEAT] = {FIELD_COMMIT | FIELD_INDEX | FIELD_CONTEXT, 0},
    [RAFT_MSG_HEARTBEAT_REPLY] = {FIELD_CONTEXT, 0},
    [RAFT_MSG_TIMEOUT_NOW] = {0, 0},
};
#define KIND_END (sizeof layouts / sizeof layouts[0])

/* No log gets here in this world; keeps index arithmetic from wrapping. */
#define INDEX_MAX (UINT64_MAX / 4)

void raft_message_encode(const struct raft_message *message, struct writer *w)
{
    Q_CHECK(message->kind > 0 && (size_t)message->kind < KIND_END);
    Q_CHECK(message->kind == RAFT_MSG_APPEND || message->entry_count == 0);
    const struct layout *layout = &layouts[message->kind];
    const unsigned flags =
        (message->reject ? FLAG_REJECT : 0U) | (message->forced ? FLAG_FORCED : 0U);
    Q_CHECK((flags & ~layout->flags) == 0);
    const uint64_t values[] = {
        message->prev_index, message->prev_term, message->commit,  message->index,
        message->hint_index, message->hint_term, message->context,
    };
    write_u8(w, (uint8_t)message->kind);
    write_u8(w, (uint8_t)flags);
    write_u32(w, message->from);
    write_u32(w, message->to);
    write_u64(w, message->term);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if ((layout->fields >> i & 1) != 0) {
            write_u64(w, values[i]);
        }
    }
    if (message->kind == RAFT_MSG_APPEND) {
        write_u32(w, message->entry_count);
    }
}

void raft_entry_encode_header(const struct raft_entry *entry, struct writer *w)
{
    Q_CHECK(entry->payload.size <= UINT32_MAX);
    Q_CHECK(entry->kind == RAFT_ENTRY_NOOP || entry->kind == RAFT_ENTRY_COMMAND);
    write_u64(w, entry->term);
    write_u64(w, entry->hlc);
    write_u8(w, (uint8_t)entry->kind);
    write_u32(w, (uint32_t)entry->payload.size);
}

/* Everything that is wrong with a message whatever the state of its receiver. */
static bool message_is_sane(const struct raft_message *m)
{
    if (m->from == NODE_NONE || m->to == NODE_NONE || m->from == m->to || m->term == 0) {
        return false;
    }
    if ((m->prev_index == 0) != (m->prev_term == 0) || m->prev_term > m->term) {
        return false;
    }
    if ((m->kind == RAFT_MSG_PRE_VOTE || m->kind == RAFT_MSG_VOTE) && m->prev_term == m->term) {
        return false; /* The candidate's log ends before the term it asks for. */
    }
    if (!m->reject && (m->hint_index != 0 || m->hint_term != 0)) {
        return false;
    }
    if (m->hint_term > m->term) {
        return false;
    }
    if (m->kind == RAFT_MSG_APPEND_REPLY && m->reject && m->hint_index >= m->index) {
        return false; /* The hint must lead backwards, or probing would not end. */
    }
    return m->prev_index <= INDEX_MAX && m->commit <= INDEX_MAX && m->index <= INDEX_MAX;
}

static bool read_message(struct reader *r, struct raft_message *out)
{
    const unsigned kind = read_u8(r);
    const unsigned flags = read_u8(r);
    if (r->failed || kind == 0 || kind >= KIND_END || (flags & ~layouts[kind].flags) != 0) {
        return false;
    }
    struct raft_message m = {.kind = (enum raft_message_kind)kind};
    m.reject = (flags & FLAG_REJECT) != 0;
    m.forced = (flags & FLAG_FORCED) != 0;
    m.from = read_u32(r);
    m.to = read_u32(r);
    m.term = read_u64(r);
    uint64_t *values[] = {
        &m.prev_index, &m.prev_term, &m.commit, &m.index, &m.hint_index, &m.hint_term, &m.context,
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if ((layouts[kind].fields >> i & 1) != 0) {
            *values[i] = read_u64(r);
        }
    }
    if (m.kind == RAFT_MSG_APPEND) {
        m.entry_count = read_u32(r);
    }
    if (r->failed || !message_is_sane(&m)) {
        return false;
    }
    *out = m;
    return true;
}

/* Terms grow along a log and a no-op carries nothing; `floor_term` is that of the entry before. */
static bool read_entry(struct reader *r,
                       raft_term floor_term,
                       raft_term max,
                       struct raft_entry *out)
{
    struct raft_entry entry = {.term = read_u64(r)};
    entry.hlc = read_u64(r);
    const unsigned kind = read_u8(r);
    entry.payload = read_sized(r);
    if (r->failed || entry.term == 0 || entry.term < floor_term || entry.term > max) {
        return false;
    }
    if (kind != RAFT_ENTRY_NOOP && kind != RAFT_ENTRY_COMMAND) {
        return false;
    }
    if (kind == RAFT_ENTRY_NOOP && entry.payload.size > 0) {
        return false;
    }
    entry.kind = (enum raft_entry_kind)kind;
    *out = entry;
    return true;
}

int raft_message_decode(struct bytes in,
                        struct raft_message *out_message,
                        struct raft_entry *out_entries,
                        size_t entries_max)
{
    struct reader r = reader_of(in);
    struct raft_message m;
    if (!read_message(&r, &m)) {
        return Q_EPROTO;
    }
    if (m.entry_count > reader_left(&r) / RAFT_ENTRY_HEADER_SIZE) {
        return Q_EPROTO;
    }
    if (m.entry_count > entries_max) {
        return Q_ETOOBIG;
    }
    raft_term floor_term = m.prev_term;
    for (size_t i = 0; i < m.entry_count; i++) {
        if (!read_entry(&r, floor_term, m.term, &out_entries[i])) {
            return Q_EPROTO;
        }
        floor_term = out_entries[i].term;
    }
    if (!reader_is_done(&r)) {
        return Q_EPROTO;
    }
    *out_message = m;
    return Q_OK;
}

size_t raft_message_entry_count(struct bytes in)
{
    struct reader r = reader_of(in);
    struct raft_message m;
    if (!read_message(&r, &m) || m.entry_count > reader_left(&r) / RAFT_ENTRY_HEADER_SIZE) {
        return 0;
    }
    return m.entry_count;
}
