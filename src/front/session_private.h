/* What the parts of a session share: the transport side (session.c) and the two conversations. */
#ifndef Q_FRONT_SESSION_PRIVATE_H
#define Q_FRONT_SESSION_PRIVATE_H

#include "front/session.h"

#define SESSION_PEER_SIZE 64

struct resp_session;
struct http_session;

struct session {
    struct list link; /* In front->sessions. */
    struct front *front;
    enum session_kind kind;
    uint64_t id;
    uint64_t started_at_ms;
    char peer[SESSION_PEER_SIZE];
    void (*wake)(void *context, struct session *session);
    void *context;
    bool is_reading; /* Inside session_input_added: the owner looks at the output by itself. */
    bool is_killed;  /* Close at once, whatever is in flight. */
    /* Owned. */
    struct buf input;
    struct buf output;
    struct resp_session *resp; /* The one of `kind`. */
    struct http_session *http;
};

/* Output appeared, or input that was held back may go on: tells the owner unless it knows. */
void session_wake(struct session *session);

/* A session's memory that grew past this is given back when it falls idle. */
#define SESSION_BUF_KEEP ((size_t)64 * 1024)

#endif
