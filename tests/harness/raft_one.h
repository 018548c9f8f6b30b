/* One replica and a pen: feeds a single struct raft by hand and keeps what it asks for.
 *
 * For tests of one rule at a time; tests of what many replicas do together use raft_cluster.
 */
#ifndef Q_TESTS_HARNESS_RAFT_ONE_H
#define Q_TESTS_HARNESS_RAFT_ONE_H

#include "base/err.h"
#include "core/raft/raft.h"
#include "harness/test.h"

#include <stdlib.h>

#define ONE_EFFECTS_MAX 512
#define ONE_SLOTS       1024

/* Replica 1 of `voters`. Time starts at 1000. */
struct one {
    struct raft raft;
    struct raft_entry slots[ONE_SLOTS];
    uint64_t now_ms;
    struct raft_effect effects[ONE_EFFECTS_MAX]; /* Of the last collect. */
    size_t count;
};

static inline struct raft_config one_config(size_t voters)
{
    struct raft_config config = {
        .self = 1,
        .voter_count = voters,
        .heartbeat_ms = 50,
        .election_min_ms = 300,
        .election_max_ms = 600,
        .append_bytes_max = 1000,
        .inflight_messages_max = 4,
        .inflight_bytes_max = 4000,
        .uncommitted_bytes_max = 10000,
        .apply_bytes_max = 10000,
        .seed = 7,
    };
    for (size_t i = 0; i < voters; i++) {
        config.voters[i] = (node_id)(i + 1);
    }
    return config;
}

/* A log with the given terms, all durable, nothing applied. */
static inline void one_start(struct one *one,
                             size_t voters,
                             struct raft_hard_state hard,
                             const raft_term *terms,
                             size_t term_count)
{
    const struct raft_config config = one_config(voters);
    memset(one, 0, sizeof *one);
    one->now_ms = 1000;
    raft_init(&one->raft, &config, one->slots, ONE_SLOTS, hard);
    for (size_t i = 0; i < term_count; i++) {
        const struct raft_entry entry = {
            .term = terms[i], .hlc = 100 + i, .kind = RAFT_ENTRY_COMMAND};
        raft_recover_entry(&one->raft, &entry);
    }
    raft_recovered(&one->raft, one->now_ms, 0);
}

static inline void one_start_empty(struct one *one, size_t voters)
{
    one_start(one, voters, (struct raft_hard_state){0}, NULL, 0);
}

/* Collects everything; applies at once what it is told to apply. */
static inline void one_collect(struct one *one)
{
    one->count = 0;
    raft_check(&one->raft);
    for (;;) {
        REQUIRE(one->count + 16 <= ONE_EFFECTS_MAX);
        const size_t more = raft_collect(&one->raft, &one->effects[one->count], 16);
        for (size_t i = one->count; i < one->count + more; i++) {
            if (one->effects[i].kind == RAFT_EFFECT_APPLY) {
                raft_applied(&one->raft, one->effects[i].last);
            }
        }
        one->count += more;
        if (more == 0) {
            break;
        }
    }
    raft_check(&one->raft);
}

static inline void one_persist(struct one *one)
{
    raft_persisted(&one->raft, one->now_ms, one->raft.save_number);
}

static inline void one_advance(struct one *one, uint64_t ms)
{
    one->now_ms += ms;
    raft_tick(&one->raft, one->now_ms);
}

static inline void one_receive(struct one *one, struct raft_message message)
{
    if (message.to == 0) {
        message.to = 1;
    }
    raft_receive(&one->raft, one->now_ms, &message, NULL);
}

/* An append of `count` entries, all of entry_term. */
static inline void one_append(struct one *one,
                              struct raft_message message,
                              raft_term entry_term,
                              uint32_t count)
{
    struct raft_entry entries[64];
    REQUIRE(count <= 64);
    for (uint32_t i = 0; i < count; i++) {
        entries[i] = (struct raft_entry){
            .term = entry_term, .hlc = 1000 + message.prev_index + i, .kind = RAFT_ENTRY_COMMAND};
    }
    message.kind = RAFT_MSG_APPEND;
    message.to = 1;
    message.entry_count = count;
    raft_receive(&one->raft, one->now_ms, &message, entries);
}

/* The nth (from 0) message of a kind to a replica (0 = any) in the last collect, or NULL. */
static inline const struct raft_effect *one_sent(const struct one *one,
                                                 enum raft_message_kind kind,
                                                 node_id to,
                                                 size_t nth)
{
    for (size_t i = 0; i < one->count; i++) {
        const struct raft_effect *effect = &one->effects[i];
        if (effect->kind == RAFT_EFFECT_SEND && effect->message.kind == kind &&
            (to == 0 || effect->to == to) && nth-- == 0) {
            return effect;
        }
    }
    return NULL;
}

static inline const struct raft_effect *one_effect(const struct one *one,
                                                   enum raft_effect_kind kind)
{
    for (size_t i = 0; i < one->count; i++) {
        if (one->effects[i].kind == kind) {
            return &one->effects[i];
        }
    }
    return NULL;
}

/* Campaigns and wins with every other voter's help. The no-op is collected, not durable. */
static inline void one_win(struct one *one)
{
    while (one->raft.role != RAFT_PRE_CANDIDATE && one->raft.role != RAFT_CANDIDATE) {
        one_advance(one, 600);
    }
    for (node_id i = 2; i <= one->raft.config.voter_count; i++) {
        one_receive(one, (struct raft_message){.kind = RAFT_MSG_PRE_VOTE_REPLY,
                                               .from = i,
                                               .term = one->raft.hard.term + 1});
    }
    one_collect(one);
    one_persist(one);
    for (node_id i = 2; i <= one->raft.config.voter_count; i++) {
        one_receive(one, (struct raft_message){
                             .kind = RAFT_MSG_VOTE_REPLY, .from = i, .term = one->raft.hard.term});
    }
    REQUIRE(one->raft.role == RAFT_LEADER);
    one_collect(one);
}

static inline void one_ack(struct one *one, node_id from, raft_index index)
{
    one_receive(one, (struct raft_message){.kind = RAFT_MSG_APPEND_REPLY,
                                           .from = from,
                                           .term = one->raft.hard.term,
                                           .index = index});
}

/* Leader whose log is durable and acknowledged by all: everything committed and collected. */
static inline void one_win_and_settle(struct one *one)
{
    one_win(one);
    one_persist(one);
    for (node_id i = 2; i <= one->raft.config.voter_count; i++) {
        one_ack(one, i, one->raft.log.last_index);
    }
    one_collect(one);
    REQUIRE(one->raft.commit_index == one->raft.log.last_index);
}

static inline raft_index one_propose(struct one *one, size_t size)
{
    static const uint8_t payload[8192];
    raft_index index = 0;
    REQUIRE(size <= sizeof payload);
    REQUIRE(raft_propose(&one->raft, 1, bytes_of(payload, size), &index) == Q_OK);
    return index;
}

#endif
