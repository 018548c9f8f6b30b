/* RESP replies: prints values in RESP2 or RESP3, whichever the connection speaks.
 *
 * RESP3 adds types of its own for null, map, set and boolean; in RESP2 they become what Redis makes
 * of them (null bulk, flat array, array, integer), so a caller writes each reply once. Texts of
 * statuses and errors cannot smuggle a line end: CR and LF in them are printed as \r and \n.
 */
#ifndef Q_FRONT_RESP_PRINT_H
#define Q_FRONT_RESP_PRINT_H

#include "base/os/buf.h"

#define RESP2 2
#define RESP3 3

void resp_print_status(struct buf *out, struct bytes text);
/* `text` begins with its prefix: "ERR ...". */
void resp_print_error(struct buf *out, struct bytes text);
/* Prefix and text are joined and formatted, cut at 512 bytes. */
void resp_print_error_format(struct buf *out, const char *prefix, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void resp_print_integer(struct buf *out, int64_t value);
void resp_print_bulk(struct buf *out, struct bytes value);
void resp_print_text(struct buf *out, const char *value); /* A bulk of a C string. */
void resp_print_array(struct buf *out, size_t count);

/* These differ between the protocols. */
void resp_print_nil(struct buf *out, int protocol);
void resp_print_nil_array(struct buf *out, int protocol);
void resp_print_map(struct buf *out, int protocol, size_t pair_count);
void resp_print_set(struct buf *out, int protocol, size_t count);
void resp_print_boolean(struct buf *out, int protocol, bool value);

/* How a node's reply is shown where a command means another form of it. */
enum reply_shape {
    SHAPE_PLAIN,
    SHAPE_OK_AS_ONE,    /* SETNX: OK -> 1, nil -> 0. */
    SHAPE_NIL_AS_ARRAY, /* LPOP key count: nil is a null array. */
    SHAPE_SCAN          /* [cursor, keys]: the cursor is a bulk string. */
};

/* Prints a reply as node/reply.h encodes it. A malformed one is printed as an error, so that a
 * client always gets exactly one reply. */
void resp_print_reply(struct buf *out, int protocol, enum reply_shape shape, struct bytes reply);

#endif
