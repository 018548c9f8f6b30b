/* The simulated world of one seed: machines, network, clients, faults, judges.
 *
 * DESIGN
 *
 * One thread, one event queue, one source of randomness: the same seed gives the same run, byte for
 * byte, which the step hash shows. The machines run the production node and the production front;
 * only what lies behind struct env, struct files and struct engine is simulated.
 *
 * A run has four phases: faults and load; healing, in which the cluster must converge within a
 * bound, though in half of the runs a minority of the nodes stays broken; closing reads of every
 * key; and a quiet time in which the leader must stay. Then the histories are judged. Safety
 * invariants are checked after every turn of a node.
 */
#ifndef Q_SIM_WORLD_H
#define Q_SIM_WORLD_H

#include "front/session.h"
#include "node/node.h"
#include "sim/check/checks.h"
#include "sim/check/history.h"
#include "sim/check/progress.h"
#include "sim/client.h"
#include "sim/clock.h"
#include "sim/coverage.h"
#include "sim/damage.h"
#include "sim/disk.h"
#include "sim/engine.h"
#include "sim/events.h"
#include "sim/network.h"
#include "sim/options.h"
#include "sim/partitions.h"
#include "sim/trace.h"
#include "sim/workload.h"

#define PARTITIONS_MAX    16
#define LOCAL_READS_MAX   4096
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
    uint64_t hung_until_us;  /* The disk does not come back before. */
    bool is_hung_till_power; /* And then only by a power cycle. */
    bool disk_hangs;         /* Writes to its log never end. */
    bool has_formed;         /* A process of it has known the cluster. */
    bool is_damaged;         /* Its disk lost or changed what it had promised: sim/atlas. */
    bool is_condemned;       /* For that it has rightly refused to start or to take part. */
    bool is_outside;         /* Broken for ever: no part of the core (sim/atlas). */
    enum read_failure reads; /* At the next start. */
    struct damage damage;
    /* The process; node is NULL while it is down. */
    struct node *node;
    struct env env;
    struct front front;
    struct session *idle[IDLE_MAX]; /* Of clients that never say a word. */
    uint64_t incarnation;           /* Counts processes. */
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
    size_t request_size_max; /* Of what one client sent in one go so far. */
    uint32_t closing_next;   /* Key whose closing read comes next. */
    uint32_t closing_done;
    struct history *history;
    struct buf closings[WORKLOAD_KEYS_MAX * WORKLOAD_CLASSES]; /* Results of closing reads. */
    struct local_read *local_reads;                            /* Owned. */
    size_t local_read_count;
    struct partition partitions[PARTITIONS_MAX];
    uint64_t partition_count;
    struct rolling rolling;
    bool has_damage[DAMAGE_KINDS]; /* Each comes once. */
    uint64_t calm_until_us;        /* No fault begins before: sim/damage. */
    struct partition_watch partition_watch;
    struct progress progress;
    uint64_t writes_asked[NODES_MAX + 1]; /* By the node asked. */
    uint64_t fault_count;
    uint64_t faults_by_class[FAULT_CLASSES]; /* Those left out counted too. */
    uint64_t event_count;
    bool fault_missed; /* The present one has found nothing to break. */
    struct seed_coverage coverage;
    bool selftest_done;
    raft_term quiet_term; /* Of the leader that must stay ... */
    node_id quiet_leader; /* ... if it is in the core. */
    bool has_handed_over; /* A leader from outside the core was asked to. */
    struct oracle oracle;
    struct violation violation;
    uint64_t undecided; /* Keys whose linearizability took too long to judge. */
    uint64_t hash;      /* Of every step so far. */
    struct trace trace;
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
    uint64_t undecided;  /* Keys whose linearizability took too long to judge. */
    uint64_t heap_peak;  /* Bytes; not the same in every build. */
    bool has_ended;      /* False: the process died of it. */
    struct partition_figures partition;
    struct seed_coverage coverage;
    struct violation violation;
};

/* The world of a seed at time 0; the caller owns it. */
struct world *world_new(const struct sim_options *options);
/* Runs it to that time, to its end or to the first violation. */
void world_run_until(struct world *world, uint64_t until_us);
void world_free(struct world *world);
/* Runs one seed to its end or to the first violation. */
void world_run(const struct sim_options *options, struct world_result *out_result);

/* ---- for the parts of the world ---- */

/* Folds a step into the hash. */
void world_note(struct world *world, uint64_t a, uint64_t b);

/* host_life.c: */
void host_init(struct host *host, struct world *world, node_id id);
void host_deinit(struct host *host);
void host_start(struct host *host);
/* The process dies; with `power` the machine with it. Starts again after `down_us`, which may be
 * FOREVER. */
void host_crash(struct host *host, bool power, uint64_t down_us);
/* The process ends in good order and starts again after `down_us`. */
void host_stop(struct host *host, uint64_t down_us);
bool host_is_paused(const struct host *host);
/* The process stands still for so long; what comes in waits. */
void host_pause(struct host *host, uint64_t takes_us);
/* A pause under way ends now. */
void host_resume(struct host *host);

/* host.c: */
void host_env_init(struct host *host);
/* The node's limit. Where few requests may wait, few bytes may: both are met in the same runs. */
size_t host_waiting_bytes_max(const struct sim_options *options);
/* Its group's raft; NULL while the process is down or does not know its cluster yet. */
const struct raft *host_raft(const struct host *host);
/* Before the process does anything: it has found all it had promised to keep. */
void host_look_at_recovery(struct host *host);
void host_message(struct host *host, struct event *event);
void host_peer(struct host *host, node_id peer, bool connected);
void host_log(struct host *host, const struct event *event);
void host_timer(struct host *host, const struct event *event);
/* Something happened to the node: it has its turn, at once or after the turn delay. */
void host_touch(struct host *host);
void host_turn(struct host *host);
/* Compares its state with the other nodes' when it is at a new index. */
void host_sample(struct host *host);

/* alone.c: */
/* Starts each node on its own disk alone and compares its state. Nothing may come after it. */
void alone_judge(struct world *world);

/* watch.c: */
/* A look at whether the cluster goes on as it should while there are faults. */
void watch_progress(struct world *world);
/* The node has been given the operation. */
void watch_asked(struct world *world, node_id id, const struct operation *operation);

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
/* damage_mend comes after so long. */
void faults_mend_later(struct host *host, uint64_t after_us);
/* Ends all faults that are on, and starts what is down; others will begin. */
void faults_quell(struct world *world);
/* Ends all faults for good and starts what is down; only what is outside the core (sim/atlas)
 * breaks for ever. */
void faults_heal(struct world *world);

/* judge.c: */
/* True when all nodes of the core are up, agree on a leader and have applied everything. */
bool judge_has_converged(struct world *world);
/* The end: states equal, histories right. */
void judge_run(struct world *world);

#endif
