/* One HTTP request to a node and its answer: what administration commands need, and no more.
 *
 * Blocking, with one deadline over everything: looking up, connecting, sending, receiving.
 */
#ifndef Q_CLI_HTTP_CLIENT_H
#define Q_CLI_HTTP_CLIENT_H

#include "base/os/buf.h"

struct http_answer {
    int status;
    struct buf body; /* Owned by the caller: buf_deinit. */
};

/* GETs `path` from "host:port". Q_OK whatever the status; Q_EINVAL (bad address), Q_EUNAVAILABLE
 * (nobody there, or no answer in time), Q_EPROTO (not HTTP), Q_ETOOBIG: `error` then says what. */
int http_get(const char *address,
             const char *path,
             int timeout_ms,
             struct http_answer *out_answer,
             char *error,
             size_t error_size);

#endif
