/* The simulated world of one seed: machines, network, clients, faults, judges.
 *
 * DESIGN
 *
 * One thread, one event queue, one source of randomness: the same seed gives the same run, byte for
 * byte, which the step hash shows. The machines run the production node and the production front;
 * only what lies behind struct env, struct files and struct engine is simulated.
 *
 * A run has four phases: faults and load; healing, in which the cluster must converge within a
 * bound; closing reads of every key; and a quiet time in which the leader must stay. Then the
 * histories are judged. Safety invariants are checked after every turn of a node.
 */
#ifndef Q_SIM_WORLD_H
#define Q_SIM_WORLD_H

#include "front/session.h"
#include "node/node.h"
#include "sim/check/checks.h"
#include "sim/check/history.h"
#include "sim/clock.h"
#include "sim/damage.h"
#include "sim/disk.h"
#include "sim/engine.h"
#include "sim/events.h"
#include "sim/network.h"
#include "sim/options.h"
#include "sim/partitions.h"
#include "sim/workload.h"

#define PARTITIONS_MAX    16
#define LOCAL_READS_MAX   4096
#define UNANSWERED_MAX    10 /* Attempts of one request id before its client gives up. */
#define FAULT_SLOW_FACTOR 200
#define MILLISECOND       UINT64_C(1000)
#define SECOND            UINT64_C(1000000)
#define HEARD_NEVER       UINT64_MAX
#define FOREVER           UINT64_MAX
#define CRASHES_FOREVER   UINT32_MAX

struct world;

enum phase { PHASE_FIRE, PHASE_CONVERGE, PHASE_CLOSING, PHASE_QUIET, PHASE_OVER };

enum stop_stage { STOP_NONE, STOP_RESIGNING, STOP_DRAINING };

/* An orderly stop under way. */
struct host_stop {
    enum stop_stage stage;
    bool was_leader;
    uint64_t resign_until_us;
    uint64_t drain_until_us;
    uint64_t stay_until_us;
    uint64_t down_us; /* How long it stays down then. */
};

/* A restart of all nodes under way. */
struct rolling {
    node_id next; /* NODE_NONE = there is none. */
    uint64_t since_us;
};

/* One machine and the process on it. */
struct host {
    struct world *world;
    node_id id;
    /* The machine. */
    struct disk *disk;
    struct engine *engine;
    struct sim_clock clock;
    uint64_t slow_until_us;
    bool is_damaged;   /* Its disk lost or changed what it had promised: sim/atlas. */
    bool is_condemned; /* For that it has rightly refused to start or to take part. */
    struct damage damage;
    uint64_t hung_until_us;  /* The disk does not come back before. */
    bool is_hung_till_power; /* And then only by a power cycle. */
    enum read_failure reads; /* At the next start. */
    /* The process; node is NULL while it is down. */
    struct node *node;
    struct env env;
    struct front front;
    uint64_t incarnation; /* Counts processes. */
    uint64_t paused_until_us;
    uint64_t timer_at_us; /* The EVENT_TIMER that counts; UINT64_MAX = none. */
    bool turn_scheduled;
    bool is_in_start;
    uint64_t starved_until_us; /* Until then it is away for a while after each turn. */
    uint32_t crashes_left;     /* It dies so many times more, soon after it starts. */
    struct host_stop stop;
    bool log_wanted;  /* env.log_start was called. */
    bool log_is_busy; /* A job is on the device. */
    raft_index log_saving_index;
    struct raft_hard_state log_hard;
    bool has_raft; /* The process has recovered its log. */
    node_id sending_to;
    struct buf outgoing;
    raft_index hashed_at; /* Applied index of the last state hash. */
    uint64_t heard_at_us[NODES_MAX + 1];
    uint64_t sent_at_us[NODES_MAX + 1]; /* Last message of Raft to it, or its connection. */
    uint64_t said_incarnation;          /* In its messages, and the highest of earlier processes. */
    uint64_t said_before;
    uint64_t incarnation_of[NODES_MAX + 1]; /* Newest process it has a Raft message of. */
    struct heard_promise heard_promise[NODES_MAX + 1];
    uint64_t leader_since_us;
    uint64_t log_started_us; /* Of the job on the device. */
    uint64_t log_looked_us;  /* When the hanging of that job was last looked at. */
};

enum slot_state { SLOT_FREE, SLOT_READY, SLOT_SENT };

struct slot {
    enum slot_state state;
    struct operation operation;
    uint64_t asked_at_us;    /* First sent. */
    struct buf first_answer; /* To a request id, for its repeat. */
};

struct client {
    struct world *world;
    uint32_t number;
    node_id host;            /* NODE_NONE = not connected. */
    struct session *session; /* NULL until the first bytes arrived. */
    uint64_t connection;     /* Counts connections. */
    bool has_output;
    uint64_t wake_number; /* Of the EVENT_CLIENT that counts. */
    struct slot slots[PIPELINE_MAX];
    /* Slots in the order sent; replies come in this order. */
    uint8_t sent[PIPELINE_MAX];
    size_t sent_count;
    struct buf request; /* Bytes on their way to the host. */
    struct buf joined;
};

/* Links that are cut together, once or again and again. */
struct partition {
    uint64_t number;    /* 0 = free. */
    uint64_t until_us;  /* FOREVER = it stays when the others are healed. */
    uint64_t period_us; /* 0 = cut for all the time, else it flaps. */
    bool is_open;       /* It flaps, and its links are up. */
    bool resets;        /* Connections break with their link instead of standing silently. */
    bool blocks[NODES_MAX + 1][NODES_MAX + 1];
};

struct local_read {
    char key[8];
    bool absent;
    uint8_t *data; /* Owned. */
    size_t size;
};

struct world {
    struct sim_options options;
    struct prng prng;
    struct events events;
    struct network network;
    uint64_t now_us;
    enum phase phase;
    uint64_t phase_until_us;
    struct host hosts[NODES_MAX + 1]; /* By id, from 1. */
    struct client clients[CLIENTS_MAX];
    struct workload workload;
    uint32_t operations_left;
    uint32_t operations_done;
    uint32_t closing_next; /* Key whose closing read comes next. */
    uint32_t closing_done;
    struct history *history;
    struct buf closings[WORKLOAD_KEYS_MAX * WORKLOAD_CLASSES]; /* Results of closing reads. */
    struct local_read *local_reads;                            /* Owned. */
    size_t local_read_count;
    struct partition partitions[PARTITIONS_MAX];
    uint64_t partition_count;
    struct rolling rolling;
    uint64_t calm_until_us; /* No fault begins before: sim/damage. */
    struct partition_watch partition_watch;
    uint64_t fault_count;
    uint64_t faults_by_class[FAULT_CLASSES]; /* Those left out counted too. */
    uint64_t event_count;
    bool selftest_done;
    raft_term quiet_term;
    struct oracle oracle;
    struct violation violation;
    uint64_t hash; /* Of every step so far. */
};

struct world_result {
    uint64_t seed;
    uint64_t simulated_us;
    uint64_t operations;
    uint64_t events;
    uint64_t faults;
    uint64_t faults_by_class[FAULT_CLASSES]; /* Those left out counted too. */
    uint64_t hash;
    uint64_t hash_again; /* Of a second run of the same; 0 = there was none. */
    bool has_ended;      /* False: the process died of it. */
    struct partition_figures partition;
    struct violation violation;
};

/* Runs one seed to its end or to the first violation. */
void world_run(const struct sim_options *options, struct world_result *out_result);

/* ---- for the parts of the world ---- */

/* Folds a step into the hash. */
void world_note(struct world *world, uint64_t a, uint64_t b);
/* One line of the trace, when it is on. */
void world_trace(const struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* host.c: */
void host_init(struct host *host, struct world *world, node_id id);
void host_deinit(struct host *host);
void host_start(struct host *host);
/* The process dies; with `power` the machine with it. Starts again after `down_us`. */
void host_crash(struct host *host, bool power, uint64_t down_us);
/* The process ends in good order and starts again after `down_us`. */
void host_stop(struct host *host, uint64_t down_us);
/* Its group's raft; NULL while the process is down or does not know its cluster yet. */
const struct raft *host_raft(const struct host *host);
bool host_is_paused(const struct host *host);
void host_message(struct host *host, struct event *event);
void host_peer(struct host *host, node_id peer, bool connected);
void host_log(struct host *host, const struct event *event);
void host_timer(struct host *host, const struct event *event);
/* Something happened to the node: it has its turn, at once or after the turn delay. */
void host_touch(struct host *host);
void host_turn(struct host *host);
/* The process stands still for so long; what comes in waits. */
void host_pause(struct host *host, uint64_t takes_us);
/* A pause under way ends now. */
void host_resume(struct host *host);
/* Compares its state with the other nodes' when it is at a new index. */
void host_sample(struct host *host);

/* client.c: */
void client_init(struct client *client, struct world *world, uint32_t number);
void client_deinit(struct client *client);
/* EVENT_CLIENT, EVENT_REQUEST, EVENT_CLIENT_TIMEOUT. */
void client_wake(struct client *client, const struct event *event);
void client_request(struct client *client, const struct event *event);
void client_timeout(struct client *client, const struct event *event);
/* The host has output for it. */
void client_collect(struct client *client);
/* It goes on after this time, instead of at any earlier set time. */
void client_wake_after(struct client *client, uint64_t delay_us);
/* Its connection is gone. */
void client_disconnect(struct client *client);
bool client_is_idle(const struct client *client);

/* faults.c, fault_links.c: */
void faults_init(struct world *world);
void faults_happen(struct world *world, const struct event *event);
void faults_end(struct world *world, const struct event *event);
void faults_reconnect(struct world *world, const struct event *event);
/* Breaks the connections of two nodes and lets them come back. */
void faults_reset(struct world *world, node_id a, node_id b);
/* As faults_reset for the connection of `from` to `to` alone. */
void faults_break(struct world *world, node_id from, node_id to);
/* That connection is gone, and `from` notices seconds later. */
void faults_half_open(struct world *world, node_id from, node_id to);
/* fault_restarts.c, for a process that may be in a crash loop: before its start; whether the start
 * failed because it died; after the start. */
void faults_starting(struct host *host);
bool faults_died_in_start(struct host *host);
void faults_started(struct host *host);
/* Ends all faults that are on, and starts what is down; others will begin. */
void faults_quell(struct world *world);
/* Ends all faults for good and starts what is down. */
void faults_heal(struct world *world);

/* judge.c: */
/* True when all nodes that can be are up, agree on a leader and have applied everything. */
bool judge_has_converged(struct world *world);
/* The end: states equal, histories right. */
void judge_run(struct world *world);

#endif
