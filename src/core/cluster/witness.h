/* What a node remembers of the promises a peer has made to it: the witness against an old copy of
 * that peer's data directory (docs/decisions/0013).
 *
 * A replica's word is its disk: a term it has entered, a log it has acknowledged. A directory that
 * is put back as it was some time ago has forgotten both, and nothing in it shows that. Those who
 * were given the word still have it. So each node keeps, in memory, the largest promise of each
 * peer, apart for the peer's present process and for those before it; a process that starts asks
 * for the latter (core/cluster/resume).
 *
 * Pure. One struct witness per peer, zeroed = nothing heard.
 */
#ifndef Q_CORE_CLUSTER_WITNESS_H
#define Q_CORE_CLUSTER_WITNESS_H

#include "core/raft/message.h"

/* An incarnation names a process by its data directory: the number of starts in the upper 32 bits,
 * random bits below. Later starts are larger; two starts from copies of one directory may have the
 * same number, but not the same bits. */
uint64_t incarnation_after(uint64_t before, uint64_t random);

static inline uint64_t incarnation_count(uint64_t incarnation)
{
    return incarnation >> 32;
}

/* Durable at whoever made it: it is in `term` or a later one, and as long as it is in that term its
 * log reaches `index`. */
struct witness_promise {
    raft_term term;
    raft_index index;
};

struct witness {
    uint64_t incarnation; /* Newest heard from; 0 = none. */
    struct witness_promise promise;
    uint64_t earlier_incarnation; /* Newest but that one; 0 = none. */
    struct witness_promise earlier;
};

/* What is remembered of processes other than the asking one. All zero: nothing. */
struct testimony {
    uint64_t incarnation; /* The newest of them. */
    struct witness_promise promise;
};

/* Something came from this incarnation. Earlier ones than the newest change nothing. */
void witness_meet(struct witness *witness, uint64_t incarnation);
/* The newest incarnation made this promise. */
void witness_hear(struct witness *witness, struct witness_promise promise);
struct testimony witness_testify(const struct witness *witness, uint64_t asker);

/* What a message promises of its sender's disk. False when it promises nothing: most replies leave
 * before the term they carry is durable. */
bool witness_promise_of(const struct raft_message *message, struct witness_promise *out_promise);

#endif
