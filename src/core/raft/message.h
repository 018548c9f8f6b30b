/* What replicas say to each other, and its bytes.
 *
 * Every message carries the sender's term. Entries of an APPEND are not part of the struct: on the
 * way out they are `entry_count` entries of the sender's log after prev_index; on the way in they
 * are decoded into a caller's array whose payloads borrow from the frame.
 */
#ifndef Q_CORE_RAFT_MESSAGE_H
#define Q_CORE_RAFT_MESSAGE_H

#include "base/bytes.h"
#include "base/cursor.h"
#include "base/ids.h"
#include "core/raft/log.h"

enum raft_message_kind {
    RAFT_MSG_PRE_VOTE = 1,       /* Would you vote for me in `term` (not yet entered)? */
    RAFT_MSG_PRE_VOTE_REPLY = 2, /* `reject`. */
    RAFT_MSG_VOTE = 3, /* `forced`: sent by leadership transfer, ignores the live leader. */
    RAFT_MSG_VOTE_REPLY = 4,
    RAFT_MSG_APPEND = 5,          /* prev_index/prev_term, entries, commit, and index = how far the
                                   * leader's own disk is: for its witnesses (cluster/witness). */
    RAFT_MSG_APPEND_REPLY = 6,    /* index = match, or `reject` with hint_index/hint_term. */
    RAFT_MSG_HEARTBEAT = 7,       /* commit (<= what the follower is known to hold), context, and
                                   * index = the leader's own commit index: how fresh it is. */
    RAFT_MSG_HEARTBEAT_REPLY = 8, /* context echoed. */
    RAFT_MSG_TIMEOUT_NOW = 9      /* Leadership transfer: start an election at once. */
};

struct raft_message {
    enum raft_message_kind kind;
    node_id from;
    node_id to;
    raft_term term;
    raft_index prev_index; /* VOTE and PRE_VOTE: candidate's last index. */
    raft_term prev_term;   /* VOTE and PRE_VOTE: candidate's last term. */
    raft_index commit;
    raft_index index;      /* Replies: what is acknowledged, or the prev_index rejected. */
    raft_index hint_index; /* Rejections: the largest index worth probing. */
    raft_term hint_term;
    uint64_t context; /* ReadIndex round, unique within the leader's term; 0 = none. */
    bool reject;
    bool forced;
    uint32_t entry_count; /* APPEND only. */
};

/* Bytes of the message without entries; entries are written one by one after it. */
#define RAFT_MESSAGE_SIZE_MAX 96
void raft_message_encode(const struct raft_message *message, struct writer *w);
/* Header of one entry (term, hlc, kind, payload size); the payload bytes follow it. */
#define RAFT_ENTRY_HEADER_SIZE 21
void raft_entry_encode_header(const struct raft_entry *entry, struct writer *w);

/* Decodes a message; on APPEND also up to `entries_max` entries, payloads borrowed from the input.
 * Returns Q_OK, Q_EPROTO when malformed (unknown kind, trailing bytes, zero ids or terms, entries
 * whose terms decrease or exceed the message's), Q_ETOOBIG when there are more entries. */
int raft_message_decode(struct bytes in,
                        struct raft_message *out_message,
                        struct raft_entry *out_entries,
                        size_t entries_max);
/* Reads only the entry count, so that the caller can make room. 0 when malformed. */
size_t raft_message_entry_count(struct bytes in);

#endif
