/* What nodes say to each other: one body per frame, beginning with this header.
 *
 *   type u8, sender's incarnation u64, receiver's incarnation as the sender knows it u64 (0 = not
 *   known), then by type:
 *     HELLO            boot hello (core/cluster/boot)
 *     RAFT             group u32, raft message (core/raft/message)
 *     FORWARD          request id u64, time left ms u32, encoded request
 *     FORWARD_REPLY    request id u64, status u8, reply
 *     SNAPSHOT_CHUNK   struct snapshot_chunk
 *     SNAPSHOT_ACK     struct snapshot_ack
 *     RESUME           struct resume_question
 *     RESUME_ANSWER    struct resume_answer
 *
 * Incarnations make forwarding safe on a network that repeats messages: a FORWARD is refused by any
 * incarnation but the one it was meant for, so a late copy cannot be executed after a restart.
 */
#ifndef Q_NODE_PEER_MESSAGE_H
#define Q_NODE_PEER_MESSAGE_H

#include "base/cursor.h"
#include "base/ids.h"
#include "core/cluster/witness.h"

enum peer_message_type {
    PEER_HELLO = 1,
    PEER_RAFT = 2,
    PEER_FORWARD = 3,
    PEER_FORWARD_REPLY = 4,
    PEER_SNAPSHOT_CHUNK = 5,
    PEER_SNAPSHOT_ACK = 6,
    PEER_RESUME = 7,
    PEER_RESUME_ANSWER = 8
};

#define PEER_HEADER_SIZE 17

struct peer_header {
    enum peer_message_type type;
    uint64_t from_incarnation;
    uint64_t to_incarnation;
};

void peer_header_write(struct writer *w, const struct peer_header *header);
/* Sets r->failed on an unknown type. */
void peer_header_read(struct reader *r, struct peer_header *out_header);

enum forward_status {
    FORWARD_DONE = 0,   /* `reply` is the answer. */
    FORWARD_RETRY = 1,  /* Certainly not executed and never will be: ask elsewhere. */
    FORWARD_REFUSED = 2 /* Likewise, and `reply` is the error to pass on. */
};

/* One piece of a snapshot stream; data follows it to the end of the body. */
struct snapshot_chunk {
    group_id group;
    uint64_t term;       /* The leader's term. */
    uint64_t id;         /* Of the stream, unique per sender incarnation. */
    uint64_t index;      /* Last entry contained ... */
    uint64_t index_term; /* ... and its term. */
    uint32_t sequence;   /* From 0. */
    bool last;
    uint64_t checksum; /* Chained over the data of this and all earlier chunks. */
    struct bytes data; /* Borrowed. */
};

enum snapshot_status {
    SNAPSHOT_CONTINUE = 0,  /* Send from `next_sequence` on. */
    SNAPSHOT_INSTALLED = 1, /* The receiver is at or beyond the snapshot's index. */
    SNAPSHOT_REFUSED = 2    /* Stale term, unknown stream, or no space: give up. */
};

struct snapshot_ack {
    group_id group;
    uint64_t id;
    uint32_t next_sequence;
    enum snapshot_status status;
};

#define SNAPSHOT_CHUNK_HEADER_SIZE 49
#define SNAPSHOT_ACK_SIZE          17

/* "What do you remember of me?" (core/cluster/resume). What the asker holds is for the log of the
 * one asked. */
struct resume_question {
    group_id group;
    raft_term term;
    raft_index last_index;
};

struct resume_answer {
    group_id group;
    uint64_t asker; /* Incarnation of the question. */
    struct testimony said;
};

#define RESUME_QUESTION_SIZE 20
#define RESUME_ANSWER_SIZE   36
void resume_question_write(struct writer *w, const struct resume_question *question);
void resume_question_read(struct reader *r, struct resume_question *out_question);
void resume_answer_write(struct writer *w, const struct resume_answer *answer);
void resume_answer_read(struct reader *r, struct resume_answer *out_answer);
void snapshot_chunk_write(struct writer *w, const struct snapshot_chunk *chunk); /* Without data. */
void snapshot_chunk_read(struct reader *r, struct snapshot_chunk *out_chunk);
void snapshot_ack_write(struct writer *w, const struct snapshot_ack *ack);
void snapshot_ack_read(struct reader *r, struct snapshot_ack *out_ack);

#endif
