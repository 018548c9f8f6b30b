#include "front/commands.h"

static const char *const groups[] = {"string", "list", "generic", "server", "connection"};

static const char *const introduction =
    "# Commands\n\n"
    "Made from the command table by a test; do not edit (`src/front/commands.c`). Every command\n"
    "works against every node: a node that does not lead sends it on.\n\n"
    "Reads may end with `LEVEL linearizable|local` and, with `local`, `MAXSTALE ms`; writes with\n"
    "`LEVEL linearizable` and `REQID id`. These options come last, in any order, behind "
    "everything\n"
    "else of the command. An argument pair that looks like one is taken for one: values that may\n"
    "be `LEVEL`, `MAXSTALE` or `REQID` should not be the last but one argument of RPUSH, LPUSH,\n"
    "DEL, EXISTS, MGET or MSET.\n\n"
    "- `LEVEL linearizable` (default): a read returns the newest committed value; a write is\n"
    "  acknowledged when a majority has it on disk.\n"
    "- `LEVEL local`: what this node has applied. `MAXSTALE ms` refuses to answer when that is\n"
    "  older.\n"
    "- `REQID id`: makes a write safe to repeat. `id` is `<unix ms>-<1 to 40 of A-Z a-z 0-9 _ "
    "->`;\n"
    "  the same id again returns the first reply and changes nothing.\n\n"
    "Errors are listed in [errors.md](errors.md).\n";

static void write_upper(struct buf *out, const char *text)
{
    for (size_t i = 0; text[i] != '\0'; i++) {
        const char c = text[i];
        const char upper = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
        buf_append(out, bytes_of(&upper, 1));
    }
}

/* A bar would end the table's cell. */
static void write_cell(struct buf *out, struct bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        const struct bytes byte = bytes_of(text.data + i, 1);
        if (bytes_equal(byte, bytes_of_text("|"))) {
            buf_append_text(out, "\\");
        }
        buf_append(out, byte);
    }
}

static void write_command(struct buf *out, const char *parent, const struct command *command)
{
    struct buf syntax = {0};
    command_print_syntax(command, &syntax);
    buf_append_text(out, "| `");
    write_upper(out, parent);
    buf_append_text(out, parent[0] == '\0' ? "" : " ");
    write_upper(out, command->name);
    buf_append_text(out, buf_size(&syntax) == 0 ? "" : " ");
    write_cell(out, buf_bytes(&syntax));
    buf_append_format(out, "` | %s | %s |\n", command->summary, COMMANDS_SINCE);
    buf_deinit(&syntax);
}

static bool is_in_group(const struct command *command, const char *group)
{
    return bytes_equal(bytes_of_text(command->group), bytes_of_text(group));
}

static void write_group(struct buf *out, const char *group)
{
    buf_append_format(out, "\n## Group %s\n\n", group);
    buf_append_text(out, "| command | what it does | since |\n|---|---|---|\n");
    size_t count = 0;
    const struct command *all = commands_all(&count);
    for (size_t i = 0; i < count; i++) {
        if (!is_in_group(&all[i], group)) {
            continue;
        }
        if (all[i].subcommands == NULL || command_arity_fits(&all[i], 1)) {
            write_command(out, "", &all[i]);
        }
        for (size_t j = 0; j < all[i].subcommand_count; j++) {
            write_command(out, all[i].name, &all[i].subcommands[j]);
        }
    }
}

void commands_write_reference(struct buf *out)
{
    buf_append_text(out, introduction);
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        write_group(out, groups[i]);
    }
}
