/* An HTTP conversation: the native API, today the pages that say how the node is.
 *
 * GET or HEAD of /livez (the process and its loop run), /readyz?level=linearizable|local (this
 * level can be served here and now), /status (the cluster as this node sees it) and /version.
 * Requests of a connection are answered one after the other; pipelined ones wait in the input.
 */
#ifndef Q_FRONT_HTTP_SESSION_H
#define Q_FRONT_HTTP_SESSION_H

#include "front/session_private.h"
#include "wire/http.h"

/* A probe must hear quickly that a node is not ready, sooner than orchestrators give up. */
#define HTTP_READY_TIMEOUT_MS 1000
/* Nothing here takes a body yet; a small one is read and ignored. */
#define HTTP_BODY_MAX ((size_t)64 * 1024)

struct http_session {
    /* Borrowed. */
    struct session *session;

    struct http_parser parser;
    struct http_request request; /* Slices are valid while it is being served only. */
    struct node_request node_request;
    bool is_waiting;  /* For the node. */
    bool is_head;     /* Of the request being answered: no body. */
    bool close_after; /* Close when it is answered. */
    bool is_closing;  /* Answered with close: read nothing more. */
    enum level level; /* The probe asked for. */
};

/* The caller owns the result; it belongs to `session`. */
struct http_session *http_session_new(struct session *session);
/* Cancels what is in flight. NULL is fine. */
void http_session_free(struct http_session *http);
/* Serves the session's input as far as it goes. */
void http_session_process(struct http_session *http);
bool http_session_is_full(const struct http_session *http);
bool http_session_wants_close(const struct http_session *http);

/* Appends the JSON of /status (http_status.c). */
void http_status_print(struct buf *out, const struct node_status *status);

#endif
