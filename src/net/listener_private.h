/* What listener.c and connection.c know of each other. */
#ifndef Q_NET_LISTENER_PRIVATE_H
#define Q_NET_LISTENER_PRIVATE_H

#include "net/listener.h"

struct listener {
    uv_tcp_t socket;
    uv_timer_t sweep;
    struct loop *loop;
    struct listener_options options;
    struct list connections;
    struct listener_stats stats;
    size_t handles; /* Of its own, not yet closed: socket and timer. */
    uint16_t port;
    bool stopped;
    bool is_draining; /* Connections read nothing more and end when all is answered. */
    bool closing;
};

struct connection {
    uv_tcp_t socket;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct loop_work work;
    struct list link; /* In listener->connections. */
    struct listener *listener;
    void *session;      /* The owner's; NULL once it was told `closed`. */
    struct buf writing; /* Owned. What uv_write has in hand while is_writing. */
    uint64_t heard_ms;  /* When the last byte came. */
    uint64_t moved_ms;  /* When output was last empty or moved. */
    bool is_writing;
    bool is_reading;
    bool is_held;     /* The owner was full, or output passed output_stop: resume it. */
    bool is_finished; /* The client sent its end of file. */
    bool is_leaving;  /* Our side is shut down; what comes is thrown away until the client ends. */
    bool is_closing;
    uint64_t leave_by_ms;
};

/* Frees the listener when nothing of it is left. */
void listener_release(struct listener *listener);

#endif
