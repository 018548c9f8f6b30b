/* A client's conversation: bytes in, bytes out. Knows RESP or HTTP, knows no socket.
 *
 * The owner of the transport (net in the server, a simulated client in the simulator) reads into
 * session_input_reserve, says session_input_added, writes out session_output and frees the session
 * when the transport is gone. Replies leave in the order of their commands, whatever order the node
 * finishes them in.
 */
#ifndef Q_FRONT_SESSION_H
#define Q_FRONT_SESSION_H

#include "base/list.h"
#include "base/os/buf.h"
#include "node/node.h"

struct session;

/* Commands of one session in flight in the node; more than any client library pipelines by itself.
 */
#define SESSION_PIPELINE_MAX 1024
/* Replies not yet written out past which no further command is started. */
#define SESSION_OUTPUT_MAX ((size_t)1024 * 1024)

enum session_kind { SESSION_RESP, SESSION_HTTP };

/* What all sessions of a server share. The caller owns it and fills it before the first session. */
struct front {
    struct node *node;
    const struct env *env;
    char run_id[41];        /* 40 hex digits, for INFO and HELLO. */
    uint64_t started_at_ms; /* Monotonic. */
    int process_id;         /* For INFO. */
    uint16_t port;          /* The RESP port clients see. */
    uint64_t value_size_max;
    /* For CONFIG GET. */
    size_t clients_max;
    uint32_t idle_timeout_ms;
    uint64_t next_session_id; /* From 1. */
    size_t session_count;
    uint64_t commands_processed;
    const char *data_directory; /* For INFO and CONFIG GET dir. */
    struct list sessions;       /* The front's own: all zero before the first session. */
};

/* `wake` is called when output appeared outside session_input_added (a reply came later); it must
 * only take note: the owner flushes at the end of its turn. `peer` = the client's address as text.
 */
struct session *session_new(struct front *front,
                            enum session_kind kind,
                            const char *peer,
                            void (*wake)(void *context, struct session *session),
                            void *context);
/* Cancels what is in flight. NULL is fine. */
void session_free(struct session *session);

/* Room to read into, at least `size` bytes. */
uint8_t *session_input_reserve(struct session *session, size_t size);
/* Bytes that arrived and are not handled yet: an unfinished command, or those held back. */
size_t session_input_size(const struct session *session);
/* `size` bytes arrived: handles every whole command. */
void session_input_added(struct session *session, size_t size);
/* What has to be written; the owner trims what it wrote. */
struct buf *session_output(struct session *session);
/* True: stop reading until output is written or replies come (too much in flight). */
bool session_is_full(const struct session *session);
/* After output was trimmed or a wake: goes on with input held back while full. */
void session_resume(struct session *session);
/* True: close the transport once the output is written (QUIT, protocol error, HTTP close). */
bool session_wants_close(const struct session *session);
/* True when a command is only partly there: the owner may time out silent clients. */
bool session_is_mid_command(const struct session *session);
/* True: commands were read whose replies are not in the output yet. */
bool session_is_busy(const struct session *session);

#endif
