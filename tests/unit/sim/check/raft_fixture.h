/* A cluster of hand-made raft states under the simulator's oracle, for tests of single checkers. */
#ifndef Q_TESTS_UNIT_SIM_CHECK_RAFT_FIXTURE_H
#define Q_TESTS_UNIT_SIM_CHECK_RAFT_FIXTURE_H

#include "harness/test.h"
#include "sim/check/checks.h"

#include <string.h>

#define FIXTURE_NODES 3
#define FIXTURE_SLOTS 64

struct fixture {
    struct violation violation;
    struct oracle oracle;
    struct raft rafts[FIXTURE_NODES + 1]; /* By id, from 1. */
    struct raft_entry slots[FIXTURE_NODES + 1][FIXTURE_SLOTS];
};

static inline void fixture_setup(struct fixture *fixture)
{
    memset(fixture, 0, sizeof *fixture);
    oracle_init(&fixture->oracle, FIXTURE_NODES, &fixture->violation);
    for (node_id id = 1; id <= FIXTURE_NODES; id++) {
        struct raft *raft = &fixture->rafts[id];
        raft_log_init(&raft->log, fixture->slots[id], FIXTURE_SLOTS);
        raft->config.self = id;
        raft->config.voter_count = FIXTURE_NODES;
        raft->config.heartbeat_ms = 50;
        raft->config.election_max_ms = 600;
        raft->config.inflight_messages_max = 4;
        raft->config.inflight_bytes_max = 1000;
        raft->config.append_bytes_max = 100;
        raft->config.uncommitted_bytes_max = 1000;
        for (node_id peer = 1; peer <= FIXTURE_NODES; peer++) {
            raft->config.voters[peer - 1] = peer;
            raft->progress[peer - 1].id = peer;
        }
        raft->hard.term = 1;
    }
}

static inline void fixture_teardown(struct fixture *fixture)
{
    oracle_deinit(&fixture->oracle);
}

static inline void fixture_append(struct fixture *fixture,
                                  node_id id,
                                  raft_term term,
                                  const char *payload)
{
    const struct raft_entry entry = {
        .term = term, .kind = RAFT_ENTRY_COMMAND, .payload = bytes_of_text(payload)};
    raft_log_append(&fixture->rafts[id].log, &entry);
}

/* The checkers' view of the node after a turn. */
static inline struct mirror *fixture_look(struct fixture *fixture, node_id id)
{
    struct mirror *mirror = &fixture->oracle.mirrors[id];
    mirror_look(&fixture->oracle, mirror, &fixture->rafts[id]);
    return mirror;
}

/* Everything in the node's log and its hard state reaches the disk. */
static inline void fixture_sync(struct fixture *fixture, node_id id)
{
    struct mirror *mirror = &fixture->oracle.mirrors[id];
    const struct raft *raft = &fixture->rafts[id];
    mirror_job_begins(mirror, raft->log.last_index, raft->hard, raft->log.start_index);
    mirror_job_synced(mirror);
}

/* True when exactly this checker has reported. */
static inline bool fixture_reports(const struct fixture *fixture, const char *checker)
{
    return fixture->violation.found && strcmp(fixture->violation.checker, checker) == 0;
}

#endif
