/* Several nodes in one process: real files in temporary directories, memory engines, and a network
 * of messages in a queue that a test may lose, repeat, delay or hold. Time moves by hand. */
#ifndef Q_TESTS_HARNESS_NODE_WORLD_H
#define Q_TESTS_HARNESS_NODE_WORLD_H

#include "base/prng.h"
#include "harness/temporary_directory.h"
#include "node/node.h"
#include "node/peer_message.h"
#include "node/reply.h"

#define WORLD_NODES_MAX 3

struct world;

enum world_verdict { WORLD_PASS, WORLD_DROP, WORLD_TWICE };

struct world_message {
    struct list link;
    node_id from;
    node_id to;
    uint64_t cluster_id;
    uint64_t deliver_at_ms;
    size_t size;
    uint8_t body[];
};

struct world_place {
    struct world *world;
    node_id id;
    struct temporary_directory directory;
    struct files *files;
    struct engine *engine;
    /* Borrowed: what the node is given in their place, set between world_prepare and world_start;
     * NULL = the above. */
    struct files *node_files;
    struct engine *node_engine;
    struct env env;
    struct node *node; /* NULL = down. */
    bool may_fail;     /* A node that stops itself does not fail the case. */
    struct buf out;
    bool job;        /* The log has something to write ... */
    bool disk_holds; /* ... and the disk does not do it. */
    uint64_t starts;
};

struct world {
    size_t count;
    uint64_t now_ms;
    struct prng prng;
    struct world_place places[WORLD_NODES_MAX + 1]; /* By id. */
    bool cut[WORLD_NODES_MAX + 1][WORLD_NODES_MAX + 1];
    struct list queue;
    uint32_t delay_max_ms;  /* Each message takes 1 to this; > 1 reorders. */
    uint32_t lose_percent;  /* Of all messages. */
    uint32_t twice_percent; /* Of all messages. */
    /* Decides on each message before chance does; NULL = WORLD_PASS. */
    enum world_verdict (*judge)(struct world *world, const struct world_message *message);
    void *judge_context;
    struct node_options options; /* For the next starts; addresses are filled in. */
    /* May change the options of one start; NULL = takes them as they are. */
    void (*tweak)(const struct world_place *place, struct node_options *options);
    bool stopping;
};

/* What a message is: the first byte of its body. */
enum peer_message_type world_message_type(const struct world_message *message);
/* The wall clock of a place: struct env's. */
uint64_t world_wall(void *context);
/* Puts a copy of `model` into the queue, to arrive at `at_ms`. */
void world_post(struct world *world, const struct world_message *model, uint64_t at_ms);
/* Starts a node on what its directory and engine hold; returns what node_start does. */
int world_try_start(struct world *world, node_id id, char *error, size_t error_size);
/* As world_try_start, but a node that does not start fails the case. */
void world_start(struct world *world, node_id id);
/* The power fails: what the disk was not given is gone, and of what the engine has not flushed all
 * but `keep` batches. Whoever waits at the node is answered; nobody should look at those answers.
 */
void world_crash(struct world *world, node_id id, size_t keep);
/* A world of `count` places, at most WORLD_NODES_MAX, with nothing in them and no node started; the
 * options are small but usual. End with world_close. */
void world_prepare(struct world *world, size_t count);
/* Starts `count` nodes, at most WORLD_NODES_MAX, on empty directories and engines; the options are
 * small but usual, and may be changed for the next starts. End with world_close. */
void world_open(struct world *world, size_t count);
/* Frees the nodes, without any farewell, and removes their directories. */
void world_close(struct world *world);
/* Does what the log of a place has to write, unless the disk holds. */
void world_do_job(struct world_place *place);
/* Hands over every message whose time has come. */
void world_deliver(struct world *world);
/* A turn of each node, in order of id; a node that is not healthy fails the case. */
void world_turns(struct world *world);
/* One millisecond. */
void world_step(struct world *world);
/* `ms` steps. */
void world_run_for(struct world *world, uint64_t ms);
/* The leader of the highest term among those up; NODE_NONE when there is none. */
node_id world_leader(const struct world *world);
/* Runs until there is a leader that has committed in its term and whom all others follow. */
node_id world_settle(struct world *world);
/* A node that is not the given ones. */
node_id world_other(const struct world *world, node_id a, node_id b);
/* Cuts or heals both directions of a link. */
void world_cut(struct world *world, node_id a, node_id b, bool cut);

/* ---- requests ---- */

/* A request and what came back. */
struct answer {
    struct node_request request;
    int count; /* Replies so far: never more than one. */
    struct buf reply;
    struct reply_item item; /* Its first item. */
};

/* Submits; the reply may come at once or later. */
void answer_ask(struct world *world,
                node_id id,
                struct answer *answer,
                struct request request,
                uint32_t timeout_ms);
void answer_set(
    struct world *world, node_id id, struct answer *answer, const char *key, const char *value);
void answer_increment(struct world *world,
                      node_id id,
                      struct answer *answer,
                      const char *key,
                      const char *request_id);
void answer_get(struct world *world, node_id id, struct answer *answer, const char *key);
/* Steps until the reply is there; one that does not come in 20 s fails the case. */
void answer_wait(struct world *world, const struct answer *answer);
/* True when there is exactly one reply and its text starts with `text`; prints it when not. */
bool answer_starts(const struct answer *answer, const char *text);
void answer_deinit(struct answer *answer);

#endif
