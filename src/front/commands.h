/* The command table: everything the RESP front knows about a command, as data.
 *
 * One table drives dispatch (arity, keys, limits), COMMAND and COMMAND DOCS, and the reference page
 * docs/reference/commands.md; a command that is not in it does not exist. Rows are sorted by name.
 *
 * A command is served in one of two ways. `answer` prints its reply at once, from what the front
 * itself knows. `prepare` fills a struct request for the node, whose reply comes later. Commands
 * with subcommands (CLIENT, CONFIG, COMMAND) have a table of their own.
 */
#ifndef Q_FRONT_COMMANDS_H
#define Q_FRONT_COMMANDS_H

#include "base/os/buf.h"
#include "front/resp_print.h"
#include "node/request.h"

#define COMMAND_NAME_MAX 16

enum command_flag {
    COMMAND_WRITE = 1 << 0,
    COMMAND_READONLY = 1 << 1,
    COMMAND_FAST = 1 << 2, /* Work does not grow with the value. */
    COMMAND_ADMIN = 1 << 3 /* About the server, not about data. */
};

struct call;

struct command {
    const char *name; /* Lower case. */
    int arity;        /* As Redis: with the name; negative = at least. Without trailing options. */
    unsigned flags;
    /* Positions of keys: first, last (negative from the end), step; all 0 without keys. */
    int first_key;
    int last_key;
    int key_step;
    enum op op;          /* With `prepare`. */
    const char *group;   /* As Redis' groups: connection, server, generic, string, list. */
    const char *summary; /* One sentence. */
    const char *arguments;
    void (*answer)(struct call *call);
    bool (*prepare)(struct call *call); /* False: it printed an error to call->out. */
    const struct command *subcommands;  /* Beside them `answer` serves the bare command. */
    size_t subcommand_count;
};

struct resp_session;

/* One command being served. Lives on the stack while it is. */
struct call {
    struct resp_session *resp;
    const struct command *command;
    struct bytes *args; /* args[0] is the name (for subcommands: args[1] theirs). Borrowed. */
    size_t arg_count;   /* Without trailing options. */
    struct buf *out;    /* Where `answer`, or an error, is printed. */
    int protocol;       /* RESP2 or RESP3. */
    /* For `prepare` to fill; op, level, max_stale_ms and request_id are already there. */
    struct request request;
    enum reply_shape shape;
};

/* The version of Quorate every command of today's table came with. */
#define COMMANDS_SINCE "0.1.0"

/* All commands, sorted by name; *out_count of them. */
const struct command *commands_all(size_t *out_count);
/* Ignores case. NULL when there is none. */
const struct command *commands_find(struct bytes name);
const struct command *commands_find_sub(const struct command *command, struct bytes name);
/* True when an argument count (with the name, without trailing options) fits. */
bool command_arity_fits(const struct command *command, size_t arg_count);
/* True for commands that read or write keys by way of the node and take trailing options. */
bool command_takes_options(const struct command *command);
/* The arguments with the trailing options the command takes; the caller owns `out`. */
void command_print_syntax(const struct command *command, struct buf *out);

/* Calls `visit` with the position of each key of a command line. */
typedef void (*command_key_fn)(void *context, size_t position);
void command_each_key(const struct command *command,
                      size_t arg_count,
                      command_key_fn visit,
                      void *context);

/* Writes docs/reference/commands.md. */
void commands_write_reference(struct buf *out);

#endif
