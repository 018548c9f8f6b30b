/* docs/reference/configuration.md, made from the tables of settings. */
#include "server/commands.h"
#include "server/config.h"

#include <string.h>

static const char *const introduction =
    "# Configuration\n\n"
    "Made from the tables of settings by a test; do not edit (`src/server/config.c`, `dev.c`,\n"
    "`status_command.c`).\n\n"
    "A setting of `quorate serve` has one name everywhere: `--heartbeat-ms 50` or\n"
    "`--heartbeat-ms=50` on the command line, `QUORATE_HEARTBEAT_MS=50` in the environment,\n"
    "`heartbeat-ms = 50` in the file that `--config` (or `QUORATE_CONFIG`) names. A flag wins "
    "over\n"
    "the environment, that over the file, that over the default; `--print-config` shows every "
    "value\n"
    "and where it came from, in the form of a file. `--check-config` checks and stops.\n\n"
    "Nothing is ignored or clamped: an unknown flag or key, a malformed value, one out of range, "
    "a\n"
    "setting given twice in the same place end the program with exit code 2 and a line that names\n"
    "the place. Only an unknown `QUORATE_` variable is a warning: others may have put it there.\n\n"
    "- The file: one `name = value` a line, no sections. A line may begin with `#` or `;` to be a\n"
    "  comment; behind a value one begins with ` ;`. At most 4,094 characters a line.\n"
    "- A size may end in K, M or G (1024 each). Numbers are decimal.\n"
    "- A switch is true or false; as a flag its name alone means true.\n"
    "- An address is HOST:PORT, with brackets around an IPv6 number; without HOST it is 0.0.0.0. "
    "An\n"
    "  address that others can reach is refused unless `insecure` is true. Port 0 lets the system\n"
    "  choose for `listen` and `http`; the log line `serving` tells which.\n"
    "- SIGHUP reads everything again, but only `log-level` and `log-format` change under way; the\n"
    "  rest needs a restart.\n\n"
    "Rules between settings: `election-min-ms` is at least twice `heartbeat-ms`; "
    "`election-max-ms`\n"
    "is above `election-min-ms`; the own peer address (`advertise`, else `peer`) is in `cluster`\n"
    "exactly as it stands there, no address twice, seven at most. Every node of a cluster has the\n"
    "same `cluster` list and should have the same times and `value-size-max`.\n";

static void write_variable(const char *name, FILE *out)
{
    (void)fputs("QUORATE_", out);
    for (const char *at = name; *at != '\0'; at++) {
        const char c = *at;
        (void)fputc(c == '-' ? '_' : c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c, out);
    }
}

static void write_size(uint64_t value, FILE *out)
{
    static const char units[] = "KMG";
    size_t used = 0;
    while (used < 3 && value > 0 && value % 1024 == 0) {
        value /= 1024;
        used++;
    }
    (void)fprintf(out, "%llu%.*s", (unsigned long long)value, used > 0 ? 1 : 0,
                  used > 0 ? units + used - 1 : "");
}

/* A bar would end the table's cell. */
static void write_cell(const char *text, FILE *out)
{
    for (const char *at = text; *at != '\0'; at++) {
        (void)fputs(*at == '|' ? "\\" : "", out);
        (void)fputc(*at, out);
    }
}

static void write_kind(const struct option_spec *spec, FILE *out)
{
    switch (spec->kind) {
    case OPTION_TEXT: (void)fputs("text", out); break;
    case OPTION_PATH: (void)fputs("path", out); break;
    case OPTION_ADDRESS: (void)fputs("HOST:PORT", out); break;
    case OPTION_ADDRESSES: (void)fputs("HOST:PORT,...", out); break;
    case OPTION_SWITCH: (void)fputs("switch", out); break;
    case OPTION_CHOICE: write_cell(spec->choices, out); break;
    case OPTION_NUMBER:
        (void)fprintf(out, "%llu to %llu", (unsigned long long)spec->min,
                      (unsigned long long)spec->max);
        break;
    case OPTION_SIZE:
        write_size(spec->min, out);
        (void)fputs(" to ", out);
        write_size(spec->max, out);
        break;
    }
}

static void write_row(const struct option_table *table, const struct option_spec *spec, FILE *out)
{
    (void)fprintf(out, "| `--%s` | ", spec->name);
    if (!table->flags_only) {
        (void)fputc('`', out);
        write_variable(spec->name, out);
        (void)fprintf(out, "` | %s%s%s | ", spec->not_in_file ? "-" : "`",
                      spec->not_in_file ? "" : spec->name, spec->not_in_file ? "" : "`");
    }
    if (spec->fallback[0] != '\0') {
        (void)fprintf(out, "`%s` | ", spec->fallback);
    } else {
        (void)fputs("- | ", out);
    }
    write_kind(spec, out);
    (void)fputs(" | ", out);
    write_cell(spec->help, out);
    (void)fputs(" |\n", out);
}

static void write_table(const struct option_table *table, FILE *out)
{
    (void)fprintf(out, "\n## quorate %s\n\n%s\n\n", table->command, table->purpose);
    (void)fputs(table->flags_only ? "| flag | default | values | what |\n|---|---|---|---|\n"
                                  : "| flag | environment | file | default | values | what |\n"
                                    "|---|---|---|---|---|---|\n",
                out);
    for (size_t i = 0; i < table->count; i++) {
        write_row(table, &table->specs[i], out);
    }
}

void options_write_reference(FILE *out)
{
    (void)fputs(introduction, out);
    write_table(&serve_options, out);
    write_table(&dev_options, out);
    write_table(&status_options, out);
}
