/* One accepted TCP connection: bytes in, bytes out, and the rules of when to read and when to stop.
 *
 * DESIGN
 *
 * A connection knows no command. What arrives is read straight into its owner's buffer; what the
 * owner wants to say stands in the owner's output buffer and is written when the loop's turn ends:
 * uv_try_write first, and only what the socket did not take goes through uv_write, from a buffer
 * swapped with the owner's so that nothing is copied or allocated per reply.
 *
 * A connection stops reading while its owner is full or its unwritten output passes a limit, so a
 * client that does not read its replies stops being served before it costs memory, and is closed
 * when nothing of its output moved for a while.
 *
 * Closing by the owner's wish is gentle: the output is written, our side shut down, and what the
 * client still sends is thrown away for a moment. A plain close would answer it with a reset, and
 * the reset would destroy the error message on its way.
 */
#ifndef Q_NET_CONNECTION_H
#define Q_NET_CONNECTION_H

#include "base/bytes.h"
#include "base/os/buf.h"
#include "net/loop.h"

struct connection;
struct listener;

/* Who talks on the connections of a listener. `session` is what `opened` returned. */
struct connection_owner {
    void *context;
    /* `peer` is the client's address as text, borrowed. NULL: refused (counted, closed). */
    void *(*opened)(void *context, struct connection *connection, const char *peer);
    /* Room for at least `size` bytes; `added` tells how many came. */
    uint8_t *(*reserve)(void *session, size_t size);
    void (*added)(void *session, size_t size);
    /* What to write; the connection trims it. NULL: this owner never writes. */
    struct buf *(*output)(void *session);
    /* True: do not read on now. */
    bool (*is_full)(void *session);
    /* Was full, and output left or connection_wake was called: go on with what waits. */
    void (*resume)(void *session);
    /* True: close once the output is written. */
    bool (*wants_close)(void *session);
    /* True: half a request arrived. */
    bool (*is_mid_command)(void *session);
    /* True: replies are still owed. After the client's end of file they are waited for. */
    bool (*is_busy)(void *session);
    /* The connection is gone; called once for each `opened` that was not NULL. */
    void (*closed)(void *session);
};

/* A reply may come later than its request: call this when output appeared or the owner is no longer
 * full. Takes note only; cheap to repeat. */
void connection_wake(struct connection *connection);

/* For the listener alone: takes the next waiting client, or refuses it. */
void connection_accept(struct listener *listener);
/* For the listener alone: closes at once. */
void connection_close(struct connection *connection);
/* For the listener alone: enforces the time limits. */
void connection_check_time(struct connection *connection, uint64_t now_ms);

#endif
