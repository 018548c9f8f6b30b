/* What the parts of a running node know of each other. */
#ifndef Q_SERVER_SERVER_PRIVATE_H
#define Q_SERVER_SERVER_PRIVATE_H

#include "front/session.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/peer_input.h"
#include "net/peer_link.h"
#include "server/data_directory.h"
#include "server/log_thread.h"
#include "server/server.h"

/* HTTP connections at a time: probes, scrapers and people, not the load. */
#define HTTP_CLIENTS_MAX 1024

/* The clients of one listener. */
struct door {
    struct server *server;
    enum session_kind kind;
    struct listener *listener;
};

enum server_stage {
    SERVER_SERVING,
    SERVER_RESIGNING, /* Told to stop; hands leadership over, still serving. */
    SERVER_DRAINING   /* Reads nothing more; finishes what it has read. */
};

struct server {
    struct config config;
    struct data_directory directory;
    struct loop *loop;
    struct log_thread *log_thread;
    struct files *files;
    struct engine *engine;
    struct node *node;
    struct env env;
    struct front front;
    struct door resp;
    struct door http;
    struct peer_input *peer_input;
    struct peer_link *links[NODES_MAX + 1]; /* By node id. */
    uv_signal_t signals[4];
    uv_timer_t housekeeping; /* systemd's status and watchdog. */
    uint64_t watchdog_ms;
    uint64_t watchdog_at_ms;
    char status_text[512]; /* What systemd was told last. */
    enum server_stage stage;
    uint64_t resign_until_ms;
    uint64_t drain_until_ms;
    uint64_t stay_until_ms; /* Not before, while draining. */
    bool was_leader;        /* When told to stop. */
    struct server_hooks hooks;
    bool has_directory;
    bool has_handles; /* Signals and timer are open. */
};

/* clients.c: opens a listener whose connections are sessions. */
int server_open_door(struct server *server,
                     struct door *door,
                     enum session_kind kind,
                     char *error,
                     size_t error_size);

/* peers.c: the node's messages. */
int server_open_peers(struct server *server, char *error, size_t error_size);
void server_close_peers(struct server *server);
struct buf *server_peer_begin(void *context, node_id to);
void server_peer_end(void *context, node_id to);

/* lifecycle.c: signals, orderly stop, systemd. */
void server_watch_signals(struct server *server);
void server_close_handles(struct server *server);
/* Once per turn: goes on with stopping, if that is what we are at. */
void server_advance_stop(struct server *server);
uint64_t server_stop_deadline(const struct server *server);

#endif
