/* The simulator's event queue: what happens next, in simulated time.
 *
 * A binary heap ordered by (time, sequence): two events of one moment come out in the order they
 * went in, so a run depends on its seed alone. An event may own a block of the heap in `data`.
 */
#ifndef Q_SIM_EVENTS_H
#define Q_SIM_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum event_kind {
    EVENT_MESSAGE,        /* To node: a frame from `a` on connection `b`; data = its bytes. */
    EVENT_TIMER,          /* To node: node_next_deadline may have come. */
    EVENT_TURN,           /* To node: the turn that a batch of events waits for. */
    EVENT_LOG,            /* To node: the log job ends; `a` = result of its write, negated. */
    EVENT_PEER,           /* To node: the connection to peer `a` is made (`b`) or lost. */
    EVENT_REQUEST,        /* To node: bytes of client `a` on its connection `b`. */
    EVENT_START,          /* To node (down): the process starts. */
    EVENT_RECONNECT,      /* Nodes `a` and `b` try to connect. */
    EVENT_CLIENT,         /* Client `a` issues its next operations. */
    EVENT_CLIENT_TIMEOUT, /* Client `a` gives its connection `b` up. */
    EVENT_READ,           /* Client `a` reads what came on its connection `b`. */
    EVENT_FAULT,          /* The fault of class `a` happens. */
    EVENT_FAULT_END,      /* The fault of class `a` with number `b` on `node` ends. */
    EVENT_SAMPLE,         /* Costly checks are due. */
    EVENT_PHASE           /* The run looks whether its phase is over. */
};

struct event {
    uint64_t at_us;
    uint64_t sequence; /* Set by events_push. */
    enum event_kind kind;
    uint32_t node;        /* 0 = of no node. */
    uint64_t incarnation; /* Of the node, for events that die with its process. */
    uint64_t a;
    uint64_t b;
    void *data; /* Owned by the event; whoever pops it frees it. */
    size_t size;
};

struct events {
    /* Owned. */
    struct event *heap;
    size_t count;
    size_t capacity;
    uint64_t next_sequence;
};

/* A zeroed struct events is an empty queue. Frees what is queued, data included. */
void events_deinit(struct events *events);
/* Takes over event.data. */
void events_push(struct events *events, struct event event);
/* False when empty. The caller owns out_event->data. */
bool events_pop(struct events *events, struct event *out_event);
/* What waits for that node until `at_us` happens at `now_us` instead, in the same order. */
void events_hasten(struct events *events, uint32_t node, uint64_t at_us, uint64_t now_us);
/* Time of the next event; UINT64_MAX when empty. */
uint64_t events_next_at(const struct events *events);

#endif
