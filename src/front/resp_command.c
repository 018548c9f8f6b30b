/* COMMAND and its subcommands: the command table, told to clients. */
#include "base/check.h"
#include "base/glob.h"
#include "front/resp_handlers.h"

#include <stdio.h>

/* Name of a subcommand as Redis writes it: "client|list". */
static void print_name(struct buf *out, const struct command *parent, const struct command *command)
{
    if (parent == NULL) {
        resp_print_text(out, command->name);
        return;
    }
    char name[2 * COMMAND_NAME_MAX];
    const int size = snprintf(name, sizeof name, "%s|%s", parent->name, command->name);
    Q_CHECK(size > 0 && (size_t)size < sizeof name);
    resp_print_text(out, name);
}

static void print_flags(struct buf *out, int protocol, unsigned flags)
{
    static const struct {
        unsigned flag;
        const char *name;
    } names[] = {
        {COMMAND_WRITE, "write"},
        {COMMAND_READONLY, "readonly"},
        {COMMAND_FAST, "fast"},
        {COMMAND_ADMIN, "admin"},
    };
    size_t count = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        count += (flags & names[i].flag) != 0 ? 1 : 0;
    }
    resp_print_set(out, protocol, count);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((flags & names[i].flag) != 0) {
            resp_print_status(out, bytes_of_text(names[i].name));
        }
    }
}

/* Commands that take trailing options have no fixed number of arguments. */
static int64_t arity_of(const struct command *command)
{
    return command_takes_options(command) && command->arity > 0 ? -command->arity : command->arity;
}

static void print_info(struct call *call, const struct command *parent, const struct command *c)
{
    struct buf *out = call->out;
    resp_print_array(out, 10);
    print_name(out, parent, c);
    resp_print_integer(out, arity_of(c));
    print_flags(out, call->protocol, c->flags);
    resp_print_integer(out, c->first_key);
    resp_print_integer(out, c->last_key);
    resp_print_integer(out, c->key_step);
    resp_print_set(out, call->protocol, 0); /* ACL categories. */
    resp_print_array(out, 0);               /* Tips. */
    resp_print_array(out, 0);               /* Key specifications beyond first, last, step. */
    resp_print_array(out, parent == NULL ? c->subcommand_count : 0);
}

/* A command and, as elements of its last array, its subcommands. */
static void print_whole_info(struct call *call, const struct command *command)
{
    print_info(call, NULL, command);
    for (size_t i = 0; i < command->subcommand_count; i++) {
        print_info(call, command, &command->subcommands[i]);
    }
}

void answer_command(struct call *call)
{
    size_t count = 0;
    const struct command *all = commands_all(&count);
    resp_print_array(call->out, count);
    for (size_t i = 0; i < count; i++) {
        print_whole_info(call, &all[i]);
    }
}

void answer_command_count(struct call *call)
{
    size_t count = 0;
    (void)commands_all(&count);
    resp_print_integer(call->out, (int64_t)count);
}

/* Finds "get" as well as "client|list". */
static const struct command *find_any(struct bytes name, const struct command **out_parent)
{
    *out_parent = NULL;
    const uint8_t *bar = name.size > 0 ? memchr(name.data, '|', name.size) : NULL;
    if (bar == NULL) {
        return commands_find(name);
    }
    const size_t first = (size_t)(bar - name.data);
    *out_parent = commands_find(bytes_of(name.data, first));
    if (*out_parent == NULL) {
        return NULL;
    }
    return commands_find_sub(*out_parent, bytes_of(bar + 1, name.size - first - 1));
}

void answer_command_info(struct call *call)
{
    if (call->arg_count == 2) {
        answer_command(call);
        return;
    }
    resp_print_array(call->out, call->arg_count - 2);
    for (size_t i = 2; i < call->arg_count; i++) {
        const struct command *parent = NULL;
        const struct command *command = find_any(call->args[i], &parent);
        if (command == NULL) {
            resp_print_nil_array(call->out, call->protocol);
        } else if (parent != NULL) {
            print_info(call, parent, command);
        } else {
            print_whole_info(call, command);
        }
    }
}

/* redis-cli shows the names of arguments as hints: ours is one argument named by its whole syntax.
 */
static void print_arguments(struct call *call, const struct buf *syntax)
{
    struct buf *out = call->out;
    resp_print_text(out, "arguments");
    resp_print_array(out, 1);
    resp_print_map(out, call->protocol, 3);
    resp_print_text(out, "name");
    resp_print_bulk(out, buf_bytes(syntax));
    resp_print_text(out, "type");
    resp_print_text(out, "string");
    resp_print_text(out, "display_text");
    resp_print_bulk(out, buf_bytes(syntax));
}

static void print_docs(struct call *call, const struct command *parent, const struct command *c)
{
    struct buf *out = call->out;
    struct buf syntax = {0};
    command_print_syntax(c, &syntax);
    const bool has_arguments = buf_size(&syntax) > 0;
    const size_t pairs = 3U + (has_arguments ? 1U : 0U) + (c->subcommand_count > 0 ? 1U : 0U);
    print_name(out, parent, c);
    resp_print_map(out, call->protocol, pairs);
    resp_print_text(out, "summary");
    resp_print_text(out, c->summary);
    resp_print_text(out, "since");
    resp_print_text(out, COMMANDS_SINCE);
    resp_print_text(out, "group");
    resp_print_text(out, c->group);
    if (has_arguments) {
        print_arguments(call, &syntax);
    }
    if (c->subcommand_count > 0) {
        resp_print_text(out, "subcommands");
        resp_print_map(out, call->protocol, c->subcommand_count);
    }
    buf_deinit(&syntax);
}

static void print_whole_docs(struct call *call, const struct command *command)
{
    print_docs(call, NULL, command);
    for (size_t i = 0; i < command->subcommand_count; i++) {
        print_docs(call, command, &command->subcommands[i]);
    }
}

void answer_command_docs(struct call *call)
{
    size_t count = 0;
    const struct command *all = commands_all(&count);
    if (call->arg_count == 2) {
        resp_print_map(call->out, call->protocol, count);
        for (size_t i = 0; i < count; i++) {
            print_whole_docs(call, &all[i]);
        }
        return;
    }
    const struct command *parent = NULL;
    size_t found = 0;
    for (size_t i = 2; i < call->arg_count; i++) {
        found += find_any(call->args[i], &parent) != NULL ? 1 : 0;
    }
    resp_print_map(call->out, call->protocol, found); /* Unknown names are left out, as in Redis. */
    for (size_t i = 2; i < call->arg_count; i++) {
        const struct command *command = find_any(call->args[i], &parent);
        if (command != NULL && parent != NULL) {
            print_docs(call, parent, command);
        } else if (command != NULL) {
            print_whole_docs(call, command);
        }
    }
}

static bool is_listed(const struct call *call, const struct command *command)
{
    return call->arg_count == 2 ||
           glob_matches(call->args[4], bytes_of_text(command->name), GLOB_IGNORE_CASE);
}

void answer_command_list(struct call *call)
{
    const bool filtered = call->arg_count == 5 && bytes_equal_word(call->args[2], "FILTERBY") &&
                          bytes_equal_word(call->args[3], "PATTERN");
    if (call->arg_count != 2 && !filtered) {
        (void)call_syntax_error(call);
        return;
    }
    size_t count = 0;
    size_t listed = 0;
    const struct command *all = commands_all(&count);
    for (size_t i = 0; i < count; i++) {
        listed += is_listed(call, &all[i]) ? 1 : 0;
    }
    resp_print_array(call->out, listed);
    for (size_t i = 0; i < count; i++) {
        if (is_listed(call, &all[i])) {
            resp_print_text(call->out, all[i].name);
        }
    }
}

struct key_printer {
    struct buf *out;
    const struct bytes *args;
    size_t count;
};

static void count_key(void *context, size_t position)
{
    (void)position;
    struct key_printer *printer = context;
    printer->count++;
}

static void print_key(void *context, size_t position)
{
    const struct key_printer *printer = context;
    resp_print_bulk(printer->out, printer->args[position]);
}

void answer_command_getkeys(struct call *call)
{
    const struct bytes *args = call->args + 2;
    const size_t count = call->arg_count - 2;
    const struct command *command = commands_find(args[0]);
    if (command == NULL) {
        resp_print_error_format(call->out, "ERR", "Invalid command specified");
        return;
    }
    if (command->first_key == 0) {
        resp_print_error_format(call->out, "ERR", "The command has no key arguments");
        return;
    }
    const size_t needed = (size_t)(command->arity < 0 ? -command->arity : command->arity);
    if (count < needed) {
        resp_print_error_format(call->out, "ERR",
                                "Invalid number of arguments specified for command");
        return;
    }
    struct key_printer printer = {.out = call->out, .args = args};
    command_each_key(command, count, count_key, &printer);
    resp_print_array(call->out, printer.count);
    command_each_key(command, count, print_key, &printer);
}
