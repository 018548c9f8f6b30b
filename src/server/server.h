/* One running node: everything real around it, from the data directory to the sockets.
 *
 * DESIGN
 *
 * The node knows nothing of all this (node/env.h). Here its clock is the system's, its log jobs run
 * in the log thread, its messages go through peer links, and its clients are the connections of two
 * listeners. All of it lives on one loop; per turn the node is stepped once (node_turn), then what
 * it wants to say to peers and to clients is written.
 *
 * A node whose log or engine failed must not go on for a moment longer: the process ends at once
 * with code 1 and without a single destructor, any of which might wait for the broken disk. Only a
 * full disk is no reason to stay away: the process starts anew and waits for space.
 */
#ifndef Q_SERVER_SERVER_H
#define Q_SERVER_SERVER_H

#include "server/config.h"

struct server;

/* Opens the data directory, recovers, and listens. The caller owns the result: server_free. On
 * failure `error` says what to do; Q_ELOCKED, Q_EINVAL, Q_EIO, Q_ENOSPC, Q_ECORRUPT, Q_EEXIST. */
int server_new(const struct config *config,
               struct server **out_server,
               char *error,
               size_t error_size);
struct server_hooks {
    void *context;
    void (*reload)(void *context); /* SIGHUP. */
    /* The disk is full: puts a new process of the same command in this one's place. Returns only
     * when it cannot; the process ends then. */
    void (*start_again)(void *context);
};

/* Serves until SIGTERM or SIGINT came and what was begun is finished. */
void server_run(struct server *server, const struct server_hooks *hooks);
/* Makes everything durable and lets go of it. NULL is fine. */
void server_free(struct server *server);

#endif
