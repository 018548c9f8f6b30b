/* RESP requests: cuts Redis commands out of a byte stream without copying them.
 *
 * DESIGN
 *
 * Clients send a command as an array of bulk strings (`*2\r\n$3\r\nGET\r\n$1\r\na\r\n`) or, by
 * hand, as a line of words with Redis' quoting rules. The parser looks at the caller's contiguous
 * buffer and hands out slices of it.
 *
 * A command may arrive in pieces of any size. The parser remembers how far it got, so a 16 MiB
 * value that comes in 1,000 reads is looked at once, not 1,000 times. Only offsets are remembered:
 * the caller may move or grow its buffer between calls.
 *
 * Every announced length is judged when it is read, before anybody makes room for it: a client that
 * announces 2 GiB costs nothing.
 *
 * Stricter than Redis in two places, both invisible to correct clients: line ends must be CR LF
 * (Redis skips two bytes unseen), also after each argument; and a count's line may be at most
 * RESP_COUNT_LINE_MAX bytes.
 *
 * OWNERSHIP
 *
 * Pure; nothing is allocated. Quoted words of inline commands are decoded where they lie, therefore
 * the buffer is writable.
 */
#ifndef Q_WIRE_RESP_H
#define Q_WIRE_RESP_H

#include "base/bytes.h"
#include "base/limits.h"

/* "*1048576" is 8 bytes; 32 leaves room for any int64 and refuses endless digits early. */
#define RESP_COUNT_LINE_MAX ((size_t)32)
#define RESP_ERROR_SIZE     80

/* All zero = ready for the first command. One per connection. */
struct resp_parser {
    /* Out. */
    size_t arg_count;            /* Q_OK: arguments found; Q_ENOMEM: room needed. */
    size_t consumed;             /* Q_OK: bytes of the command, for the caller to drop. */
    char error[RESP_ERROR_SIZE]; /* Q_EPROTO, Q_ETOOBIG: "PREFIX text" to tell the client. */

    /* Private. */
    size_t at;            /* First byte not judged yet, from the start of the command. */
    size_t args_expected; /* Of the array; valid while in_array. */
    size_t args_seen;
    size_t args_size; /* Sum of announced sizes. */
    size_t bulk_size; /* Of the argument at `at`; valid while in_bulk. */
    bool in_array;    /* The array's count was read. */
    bool in_bulk;     /* The current argument's size was read. */
    bool is_resumed;  /* Earlier slices may be stale: they are collected again at the end. */
};

/* Looks for one whole command at the front of `data`.
 *
 * Until it returns Q_OK or an error, each call must pass the same bytes again, perhaps elsewhere in
 * memory and with more behind them.
 *
 * Q_OK: parser->arg_count slices are in `args`, borrowed from `data`; drop parser->consumed bytes.
 * arg_count may be 0 (an empty line or array), which clients may send and which has no reply.
 * Q_EAGAIN: more bytes are needed. Q_ENOMEM: the command is whole but has more than args_max
 * arguments (at most REQUEST_ARGS_MAX): call again with room for parser->arg_count.
 * Q_EPROTO: not RESP. Q_ETOOBIG: past a limit of base/limits.h. After these two the boundary of the
 * next command is unknown: send parser->error and close. */
int resp_parse_command(
    struct resp_parser *parser, uint8_t *data, size_t size, struct bytes *args, size_t args_max);

#endif
