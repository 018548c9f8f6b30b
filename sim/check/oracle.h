/* What the checkers know of the whole cluster, gathered as the run goes.
 *
 * DESIGN
 *
 * A mirror follows one node's Raft log: per index the term and a hash chained over every entry up
 * to it, so that two equal chain values mean two equal prefixes and every comparison is O(1).
 * Mirrors are updated after each turn at the cost of what changed. The oracle then holds what may
 * never change again: which chain an (index, term) stands for, what is committed, who led a term,
 * whom a node voted for. Checkers are functions over these, one file each.
 *
 * Durability is known from the simulated disk, not from the node: what a log job took is durable
 * once its sync has really happened.
 */
#ifndef Q_SIM_CHECK_ORACLE_H
#define Q_SIM_CHECK_ORACLE_H

#include "base/ids.h"
#include "base/limits.h"
#include "core/raft/raft.h"
#include "sim/check/violation.h"

#define ORACLE_INDEX_MAX ((raft_index)1 << 20) /* A run beyond is a runaway. */
#define ORACLE_TERM_MAX  ((raft_term)1 << 16)

/* Term and chained hash of the entry at an index; term 0 = not known. */
struct link_hash {
    raft_term term;
    uint64_t chain;
};

/* A growing array of struct link_hash by index. */
struct chain {
    struct link_hash *at; /* Owned. */
    raft_index capacity;
};

/* Makes at[index] valid. */
void chain_reach(struct chain *chain, raft_index index);

struct mirror {
    node_id id;
    bool is_up;
    bool lost_disk; /* Its disk was replaced since the last start. */
    /* As of the last look at the node. */
    enum raft_role role;
    raft_term term;
    node_id vote;
    node_id leader;
    raft_index commit_index;
    raft_index applied_index;
    struct chain log;
    raft_index start_index;
    raft_index last_index;
    /* What the last look changed. */
    raft_index changed_from; /* Lowest new or replaced index; last_index + 1 when none. */
    raft_index lost_from;    /* Lowest index that was there and is gone or replaced; 0 = none. */
    enum raft_role role_before;
    raft_term term_before;
    node_id vote_before;
    raft_index commit_before;
    raft_index applied_before;
    uint64_t looked_at_ms; /* The node's clock at the last check of its quorum ... */
    uint64_t alone_ms;     /* ... and how long it has led without one. */
    uint64_t stuck_us;     /* How long it has led while its log device hung. */
    uint64_t round_sent;   /* ReadIndex: the newest round sent by then ... */
    size_t round_waiting;  /* ... and how many reads waited for it or an earlier one. */
    /* What a crash of this machine would leave. */
    struct chain durable;
    raft_index durable_last;
    raft_index durable_start; /* Everything up to here is in durable applied state. */
    raft_term durable_term;
    node_id durable_vote;
    /* The log job under way. */
    struct chain job;
    raft_index job_from; /* Entries [job_from, job_last]. */
    raft_index job_last;
    raft_term job_term;
    node_id job_vote;
    raft_index job_start;
    raft_index unsaved_from; /* Lowest index that changed after the last job took its entries. */
};

struct index_record {
    struct link_hash *seen; /* Owned: one per term that had an entry here. */
    uint32_t count;
    struct link_hash committed; /* term 0 = not yet. */
    raft_term committed_in;     /* Term of the leader that committed it. */
    uint64_t state_hash;        /* State after applying it, when a sample was taken. */
    bool has_state_hash;
    node_id state_from;
    uint64_t digest;     /* Of the engine at the end of a turn that had applied it. */
    node_id digest_from; /* NODE_NONE = there was no such turn. */
};

struct term_record {
    node_id leader;               /* NODE_NONE = none seen. */
    node_id votes[NODES_MAX + 1]; /* By voter: whom it voted for, durably or by what it sent. */
};

struct oracle {
    size_t node_count;
    struct mirror mirrors[NODES_MAX + 1]; /* By id, from 1. */
    struct index_record *indexes;         /* Owned. */
    raft_index index_capacity;
    struct term_record *terms; /* Owned. */
    raft_term term_capacity;
    raft_index committed_last;
    struct violation *violation; /* Borrowed: where checkers report. */
};

void oracle_init(struct oracle *oracle, size_t node_count, struct violation *violation);
void oracle_deinit(struct oracle *oracle);
/* NULL (and a violation) when out of any reasonable range. Borrowed until the next call. */
struct index_record *oracle_index(struct oracle *oracle, raft_index index);
struct term_record *oracle_term(struct oracle *oracle, raft_term term);
/* How many nodes hold `link` at `index` durably. */
size_t oracle_durable_count(const struct oracle *oracle, raft_index index, struct link_hash link);
struct link_hash oracle_durable_at(const struct mirror *mirror, raft_index index);

/* Looks at a node after a turn and notes what changed. */
void mirror_look(struct oracle *oracle, struct mirror *mirror, const struct raft *raft);
/* The entry's chain value in the node's log; term 0 when it does not hold that index. */
struct link_hash mirror_at(const struct mirror *mirror, raft_index index);
/* The node handed a batch to its log device; `saving_index` = last entry in it. */
void mirror_job_begins(struct mirror *mirror,
                       raft_index saving_index,
                       struct raft_hard_state hard,
                       raft_index start_index);
/* The disk has synced that batch. */
void mirror_job_synced(struct mirror *mirror);
/* The process is gone; what was in flight may or may not be there at the next start. */
void mirror_crashed(struct mirror *mirror);
/* The process has recovered. `disk_is_clean`: everything it found is durable; otherwise only what
 * was known to be so before. Call check_recovered after it. */
void mirror_recovered(struct oracle *oracle,
                      struct mirror *mirror,
                      const struct raft *raft,
                      bool disk_is_clean);

#endif
