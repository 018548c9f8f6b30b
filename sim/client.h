/* A simulated client: a pipeline of operations over one connection at a time to one node. */
#ifndef Q_SIM_CLIENT_H
#define Q_SIM_CLIENT_H

#include "front/session.h"
#include "sim/events.h"
#include "sim/options.h"
#include "sim/workload.h"

#define UNANSWERED_MAX 10 /* Attempts of one request id before its client gives up. */

struct world;

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
    node_id host;                            /* NODE_NONE = not connected. */
    struct session *session;                 /* NULL until the first bytes arrived. */
    uint64_t connection;                     /* Counts connections. */
    uint64_t avoids_until_us[NODES_MAX + 1]; /* After the faults: nodes that failed it. */
    bool has_output;
    uint64_t reads_at_us; /* What comes before that waits. */
    uint64_t wake_number; /* Of the EVENT_CLIENT that counts. */
    struct slot slots[PIPELINE_MAX];
    /* Slots in the order sent; replies come in this order. */
    uint8_t sent[PIPELINE_MAX];
    size_t sent_count;
    struct buf request; /* Bytes on their way to the host. */
    struct buf joined;
};

void client_init(struct client *client, struct world *world, uint32_t number);
void client_deinit(struct client *client);
/* EVENT_CLIENT, EVENT_REQUEST, EVENT_READ, EVENT_CLIENT_TIMEOUT. */
void client_wake(struct client *client, const struct event *event);
void client_read(struct client *client, const struct event *event);
void client_request(struct client *client, const struct event *event);
void client_timeout(struct client *client, const struct event *event);
/* The host has output for it. */
void client_collect(struct client *client);
/* It goes on after this time, instead of at any earlier set time. */
void client_wake_after(struct client *client, uint64_t delay_us);
/* Its connection is gone. */
void client_disconnect(struct client *client);
bool client_is_idle(const struct client *client);

#endif
