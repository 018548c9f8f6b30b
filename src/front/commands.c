#include "front/commands.h"

#include "base/check.h"
#include "front/resp_handlers.h"

/* Rows read: name, arity, flags, keys, op, group, summary, arguments, how it is served. */
#define NO_KEYS    0, 0, 0, OP_NOTHING
#define ONE_KEY    1, 1, 1
#define ALL_KEYS   1, -1, 1
#define PAIRS      1, -1, 2
#define ANSWER(f)  f, NULL, NULL, 0
#define PREPARE(f) NULL, f, NULL, 0
#define SUB(table) NULL, NULL, table, sizeof(table) / sizeof((table)[0])

#define READ  COMMAND_READONLY
#define WRITE COMMAND_WRITE
#define FAST  COMMAND_FAST
#define ADMIN COMMAND_ADMIN

static const struct command client_commands[] = {
    {"getname", 2, 0, NO_KEYS, "connection", "Returns the name of the connection.", "",
     ANSWER(answer_client_getname)},
    {"id", 2, 0, NO_KEYS, "connection", "Returns the number of the connection.", "",
     ANSWER(answer_client_id)},
    {"info", 2, 0, NO_KEYS, "connection", "Describes the connection in one line.", "",
     ANSWER(answer_client_info)},
    {"kill", -3, ADMIN, NO_KEYS, "connection", "Closes a connection of this node.",
     "ip:port | ID number | ADDR ip:port", ANSWER(answer_client_kill)},
    {"list", -2, ADMIN, NO_KEYS, "connection", "Describes every connection of this node.", "",
     ANSWER(answer_client_list)},
    {"no-evict", 3, ADMIN, NO_KEYS, "connection", "Accepted; connections are never evicted.",
     "ON | OFF", ANSWER(answer_client_no_effect)},
    {"no-touch", 3, 0, NO_KEYS, "connection", "Accepted; reads never touch keys.", "ON | OFF",
     ANSWER(answer_client_no_effect)},
    {"reply", 3, 0, NO_KEYS, "connection", "Switches replies of this connection off and on.",
     "ON | OFF | SKIP", ANSWER(answer_client_reply)},
    {"setinfo", 4, 0, NO_KEYS, "connection", "Names the client library and its version.",
     "LIB-NAME name | LIB-VER version", ANSWER(answer_client_setinfo)},
    {"setname", 3, 0, NO_KEYS, "connection", "Names the connection.", "name",
     ANSWER(answer_client_setname)},
    {"tracking", -3, 0, NO_KEYS, "connection", "Only OFF: keys are not tracked.", "OFF",
     ANSWER(answer_client_tracking)},
};

static const struct command command_commands[] = {
    {"count", 2, 0, NO_KEYS, "server", "Returns the number of commands.", "",
     ANSWER(answer_command_count)},
    {"docs", -2, 0, NO_KEYS, "server", "Returns the documentation of commands.", "[name ...]",
     ANSWER(answer_command_docs)},
    {"getkeys", -3, 0, NO_KEYS, "server", "Returns the keys of a command line.",
     "command [argument ...]", ANSWER(answer_command_getkeys)},
    {"info", -2, 0, NO_KEYS, "server", "Returns arity, flags and key positions of commands.",
     "[name ...]", ANSWER(answer_command_info)},
    {"list", -2, 0, NO_KEYS, "server", "Returns the names of commands.",
     "[FILTERBY PATTERN pattern]", ANSWER(answer_command_list)},
};

static const struct command config_commands[] = {
    {"get", -3, ADMIN, NO_KEYS, "server", "Returns settings under the names Redis gives them.",
     "pattern [pattern ...]", ANSWER(answer_config_get)},
    {"resetstat", 2, ADMIN, NO_KEYS, "server", "Sets the counters of INFO stats to zero.", "",
     ANSWER(answer_config_resetstat)},
    {"set", -4, ADMIN, NO_KEYS, "server", "Always refused: settings are flags of the program.",
     "name value [name value ...]", ANSWER(answer_config_set)},
};

/* Sorted by name: commands_find halves its way through. */
static const struct command commands[] = {
    {"append", 3, WRITE | FAST, ONE_KEY, OP_APPEND, "string",
     "Appends to the string at a key, making it if there is none. Returns the new length.",
     "key value", PREPARE(prepare_plain)},
    {"auth", -2, FAST, NO_KEYS, "connection", "Always refused: there are no users yet.",
     "[username] password", ANSWER(answer_auth)},
    {"client", -2, 0, NO_KEYS, "connection", "Commands about connections.", "",
     SUB(client_commands)},
    {"command", -1, 0, NO_KEYS, "server", "Describes all commands as COMMAND INFO does.", "",
     answer_command, NULL, command_commands, sizeof command_commands / sizeof command_commands[0]},
    {"config", -2, ADMIN, NO_KEYS, "server", "Commands about settings.", "", SUB(config_commands)},
    {"dbsize", 1, READ | FAST, 0, 0, 0, OP_DBSIZE, "server", "Returns the number of keys.", "",
     PREPARE(prepare_plain)},
    {"decr", 2, WRITE | FAST, ONE_KEY, OP_INCRBY, "string",
     "Subtracts one from the integer at a key (0 if there is none). Returns the new value.", "key",
     PREPARE(prepare_decr)},
    {"decrby", 3, WRITE | FAST, ONE_KEY, OP_INCRBY, "string",
     "Subtracts from the integer at a key (0 if there is none). Returns the new value.",
     "key decrement", PREPARE(prepare_decrby)},
    {"del", -2, WRITE, ALL_KEYS, OP_DEL, "generic", "Removes keys. Returns how many there were.",
     "key [key ...]", PREPARE(prepare_plain)},
    {"echo", 2, FAST, NO_KEYS, "connection", "Returns its argument.", "message",
     ANSWER(answer_echo)},
    {"exists", -2, READ | FAST, ALL_KEYS, OP_EXISTS, "generic",
     "Returns how many of the keys exist; a key named twice counts twice.", "key [key ...]",
     PREPARE(prepare_plain)},
    {"get", 2, READ | FAST, ONE_KEY, OP_GET, "string",
     "Returns the string at a key, nil if there is none.", "key", PREPARE(prepare_plain)},
    {"getrange", 4, READ, ONE_KEY, OP_GETRANGE, "string",
     "Returns a part of the string at a key, both ends included, negative from the end.",
     "key start end", PREPARE(prepare_getrange)},
    {"getset", 3, WRITE | FAST, ONE_KEY, OP_SET, "string",
     "Sets a key and returns the string that was there; same as SET ... GET.", "key value",
     PREPARE(prepare_getset)},
    {"hello", -1, FAST, NO_KEYS, "connection",
     "Chooses the protocol version and describes the server.",
     "[2|3 [AUTH username password] [SETNAME name]]", ANSWER(answer_hello)},
    {"incr", 2, WRITE | FAST, ONE_KEY, OP_INCRBY, "string",
     "Adds one to the integer at a key (0 if there is none). Returns the new value.", "key",
     PREPARE(prepare_incr)},
    {"incrby", 3, WRITE | FAST, ONE_KEY, OP_INCRBY, "string",
     "Adds to the integer at a key (0 if there is none). Returns the new value.", "key increment",
     PREPARE(prepare_incrby)},
    {"info", -1, 0, NO_KEYS, "server", "Describes the server; by section, or all.", "[section ...]",
     ANSWER(answer_info)},
    {"llen", 2, READ | FAST, ONE_KEY, OP_LLEN, "list", "Returns the length of the list at a key.",
     "key", PREPARE(prepare_plain)},
    {"lpop", -2, WRITE | FAST, ONE_KEY, OP_LPOP, "list",
     "Removes and returns the first element of a list, or the first `count`.", "key [count]",
     PREPARE(prepare_pop)},
    {"lpush", -3, WRITE | FAST, ONE_KEY, OP_LPUSH, "list",
     "Puts elements at the front of a list, one after the other. Returns the new length.",
     "key element [element ...]", PREPARE(prepare_plain)},
    {"lrange", 4, READ, ONE_KEY, OP_LRANGE, "list",
     "Returns a part of a list, both ends included, negative from the end.", "key start stop",
     PREPARE(prepare_lrange)},
    {"mget", -2, READ | FAST, ALL_KEYS, OP_MGET, "string",
     "Returns the strings at keys, nil where there is none.", "key [key ...]",
     PREPARE(prepare_plain)},
    {"mset", -3, WRITE, PAIRS, OP_MSET, "string", "Sets keys, all at once.",
     "key value [key value ...]", PREPARE(prepare_mset)},
    {"ping", -1, FAST, NO_KEYS, "connection", "Returns PONG, or its argument.", "[message]",
     ANSWER(answer_ping)},
    {"quit", -1, FAST, NO_KEYS, "connection", "Answers OK and closes the connection.", "",
     ANSWER(answer_quit)},
    {"reset", 1, FAST, NO_KEYS, "connection", "Makes the connection as new: RESP2, no name.", "",
     ANSWER(answer_reset)},
    {"rpop", -2, WRITE | FAST, ONE_KEY, OP_RPOP, "list",
     "Removes and returns the last element of a list, or the last `count`.", "key [count]",
     PREPARE(prepare_pop)},
    {"rpush", -3, WRITE | FAST, ONE_KEY, OP_RPUSH, "list",
     "Puts elements at the end of a list. Returns the new length.", "key element [element ...]",
     PREPARE(prepare_plain)},
    {"scan", -2, READ, 0, 0, 0, OP_SCAN, "generic",
     "Returns some keys and a cursor to go on with; the cursor is 0 when all were seen.",
     "cursor [MATCH pattern] [COUNT count] [TYPE string|list]", PREPARE(prepare_scan)},
    {"select", 2, FAST, NO_KEYS, "connection", "Chooses the keyspace by number; only 0 exists.",
     "number", ANSWER(answer_select)},
    {"set", -3, WRITE, ONE_KEY, OP_SET, "string",
     "Sets a key to a string. NX: only if there is none; XX: only if there is one; IFEQ: only if "
     "the string equals `expected`. Returns OK, or nil when the condition failed; with GET, the "
     "string that was there.",
     "key value [NX | XX | IFEQ expected] [GET]", PREPARE(prepare_set)},
    {"setnx", 3, WRITE | FAST, ONE_KEY, OP_SET, "string",
     "Sets a key if there is none. Returns 1, or 0 when there was one.", "key value",
     PREPARE(prepare_setnx)},
    {"strlen", 2, READ | FAST, ONE_KEY, OP_STRLEN, "string",
     "Returns the length of the string at a key in bytes.", "key", PREPARE(prepare_plain)},
    {"substr", 4, READ, ONE_KEY, OP_GETRANGE, "string", "Same as GETRANGE.", "key start end",
     PREPARE(prepare_getrange)},
    {"time", 1, FAST, NO_KEYS, "server", "Returns the node's clock: seconds and microseconds.", "",
     ANSWER(answer_time)},
    {"type", 2, READ | FAST, ONE_KEY, OP_TYPE, "generic",
     "Returns the type of the value at a key: string, list or none.", "key",
     PREPARE(prepare_plain)},
    {"unlink", -2, WRITE | FAST, ALL_KEYS, OP_DEL, "generic", "Same as DEL.", "key [key ...]",
     PREPARE(prepare_plain)},
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

const struct command *commands_all(size_t *out_count)
{
    *out_count = COMMAND_COUNT;
    return commands;
}

/* Compares a name of any case with a lower-case one: <0, 0, >0. */
static int compare_name(struct bytes name, const char *lower)
{
    for (size_t i = 0; i < name.size; i++) {
        const uint8_t c = name.data[i];
        const int given = c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
        const int wanted = (uint8_t)lower[i];
        if (given != wanted || wanted == 0) {
            return wanted == 0 ? 1 : given - wanted;
        }
    }
    return lower[name.size] == '\0' ? 0 : -1;
}

const struct command *commands_find(struct bytes name)
{
    size_t low = 0;
    size_t high = COMMAND_COUNT;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = compare_name(name, commands[middle].name);
        if (order == 0) {
            return &commands[middle];
        }
        if (order > 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

const struct command *commands_find_sub(const struct command *command, struct bytes name)
{
    for (size_t i = 0; i < command->subcommand_count; i++) {
        if (compare_name(name, command->subcommands[i].name) == 0) {
            return &command->subcommands[i];
        }
    }
    return NULL;
}

bool command_arity_fits(const struct command *command, size_t arg_count)
{
    return command->arity >= 0 ? arg_count == (size_t)command->arity
                               : arg_count >= (size_t)-command->arity;
}

bool command_takes_options(const struct command *command)
{
    return command->prepare != NULL;
}

void command_print_syntax(const struct command *command, struct buf *out)
{
    buf_append_text(out, command->arguments);
    if (!command_takes_options(command)) {
        return;
    }
    const char *space = command->arguments[0] == '\0' ? "" : " ";
    buf_append_format(out, "%s%s", space,
                      op_writes(command->op) ? "[LEVEL linearizable] [REQID id]"
                                             : "[LEVEL linearizable|local] [MAXSTALE ms]");
}

void command_each_key(const struct command *command,
                      size_t arg_count,
                      command_key_fn visit,
                      void *context)
{
    if (command->first_key == 0) {
        return;
    }
    Q_CHECK(command->key_step > 0);
    const size_t last =
        command->last_key < 0 ? arg_count - (size_t)-command->last_key : (size_t)command->last_key;
    for (size_t i = (size_t)command->first_key; i <= last && i < arg_count;
         i += (size_t)command->key_step) {
        visit(context, i);
    }
}
