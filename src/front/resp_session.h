/* A RESP conversation: commands in order, replies in the same order, many in flight.
 *
 * DESIGN
 *
 * Each command that cannot be answered at once gets a slot in a ring; slots leave at the front
 * only, so replies keep the order of commands whatever order the node finishes them in. The reply
 * of the first slot is printed straight into the output, those behind it into their slot until it
 * is their turn. Slots are allocated once and reused: a command costs no allocation here.
 *
 * Order of effects. The node keeps the order of writes and answers reads when their turn comes, but
 * it does not know which requests belong to one connection. A client that pipelines SET and GET
 * must see its own SET. So a run of writes may be in flight together, or a run of reads, never
 * both: a command of the other kind is held, with all input behind it, until the run is answered.
 * (An answer "unknown" or "unavailable" counts: the client is told, and what follows goes on.)
 *
 * Back pressure. The session is full when SESSION_PIPELINE_MAX commands are in flight, when more
 * than SESSION_OUTPUT_MAX of replies wait to be written or are to be expected, or while a command
 * is held. What to expect of a reply is learnt from those before it: 1,024 pipelined reads of 2 MiB
 * each would otherwise put 2 GiB into memory before the first write to a slow client.
 */
#ifndef Q_FRONT_RESP_SESSION_H
#define Q_FRONT_RESP_SESSION_H

#include "front/commands.h"
#include "front/session_private.h"
#include "wire/resp.h"

#define CLIENT_NAME_SIZE 65 /* With its terminator. */

struct slot {
    struct resp_session *resp;
    struct node_request node_request;
    struct buf text; /* Owned. The printed reply, while slots before it are open. */
    bool is_done;
    bool is_silent; /* CLIENT REPLY: print nothing. */
    int protocol;   /* As it was when the command came. */
    enum reply_shape shape;
};

struct resp_session {
    /* Borrowed. */
    struct session *session;
    const struct command *last_command; /* For CLIENT LIST; NULL before the first. */

    struct resp_parser parser;
    int protocol;
    bool replies_off; /* CLIENT REPLY OFF. */
    bool skip_next;   /* CLIENT REPLY SKIP came: the next command is silent. */
    bool skip_this;
    bool is_closing;     /* QUIT or a protocol error: no command after it is read. */
    bool is_held;        /* The command in args waits for the run before it. */
    size_t arg_count;    /* Of the command being served or held. */
    size_t command_size; /* Its bytes at the front of the input. */
    char name[CLIENT_NAME_SIZE];
    char library_name[CLIENT_NAME_SIZE];
    char library_version[CLIENT_NAME_SIZE];

    bool run_writes;  /* What is in flight is writes (else reads). */
    size_t in_flight; /* In the node. */
    size_t slot_first;
    size_t slot_count;
    size_t waiting_bytes; /* Printed in slots. */
    size_t reply_size;    /* Expected of a reply in flight: the largest of late, fading. */
    uint64_t served;      /* Commands since the session began. */

    /* Owned. */
    struct slot **slots; /* A ring; entries behind the used ones keep their slots for reuse. */
    size_t slot_capacity;
    struct bytes *args;
    size_t args_capacity;
    struct buf scratch; /* Errors of prepare. */
};

/* The caller owns the result; it belongs to `session`. */
struct resp_session *resp_session_new(struct session *session);
/* Cancels what is in flight. NULL is fine. */
void resp_session_free(struct resp_session *resp);
/* Serves the session's input as far as it goes. */
void resp_session_process(struct resp_session *resp);
/* The input buffer was moved: a held command's arguments move with it. */
void resp_session_input_moved(struct resp_session *resp, const uint8_t *from, const uint8_t *to);
bool resp_session_is_full(const struct resp_session *resp);
bool resp_session_wants_close(const struct resp_session *resp);
/* As new, for RESET; commands in flight stay. */
void resp_session_reset(struct resp_session *resp);

/* Reads LEVEL, MAXSTALE and REQID off the end of call->args into call->request (resp_options.c).
 * False after printing an error to call->out. */
bool resp_options_take(struct call *call);

#endif
