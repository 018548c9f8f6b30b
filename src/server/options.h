/* Settings of a command: one table says what there is, and everything else is read off it.
 *
 * DESIGN
 *
 * A setting has one name everywhere: `--heartbeat-ms 50` on the command line,
 * QUORATE_HEARTBEAT_MS=50 in the environment, `heartbeat-ms = 50` in the file. A flag wins over the
 * environment, the environment over the file, the file over the default; --print-config shows each
 * value and where it came from, so that nobody has to guess. Whatever is unknown, malformed or out
 * of range is an error that names the setting and its place; nothing is ever ignored or clamped.
 */
#ifndef Q_SERVER_OPTIONS_H
#define Q_SERVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum option_kind {
    OPTION_TEXT,
    OPTION_PATH,      /* Of a file or directory; not looked at. */
    OPTION_ADDRESS,   /* host:port. */
    OPTION_ADDRESSES, /* host:port,host:port... */
    OPTION_NUMBER,    /* Decimal, min..max. */
    OPTION_SIZE,      /* As NUMBER, and may end in K, M or G (1024). */
    OPTION_SWITCH,    /* true or false; the bare flag means true. */
    OPTION_CHOICE     /* One of `choices`. */
};

struct option_spec {
    const char *name; /* Of the flag and of the key in the file. */
    enum option_kind kind;
    bool not_in_file;     /* Makes sense on the command line (or in the environment) only. */
    const char *fallback; /* The default, in the form a user would write it. */
    const char *help;     /* One sentence without its period. */
    uint64_t min;         /* NUMBER and SIZE. */
    uint64_t max;
    const char *choices; /* CHOICE: "a|b|c". */
};

struct option_table {
    const char *command;  /* "serve" */
    const char *purpose;  /* One sentence. */
    const char *examples; /* Lines, each with its newline. */
    const struct option_spec *specs;
    size_t count;
    bool flags_only;     /* No environment, no file. */
    const char *operand; /* Name of one optional operand, or NULL. */
    const char *rest;    /* What may follow "--", or NULL. */
};

#define OPTION_VALUE_SIZE_MAX  2048 /* Seven addresses and their commas fit. */
#define OPTION_ORIGIN_SIZE_MAX 300

struct option_value {
    char text[OPTION_VALUE_SIZE_MAX];
    char origin[OPTION_ORIGIN_SIZE_MAX]; /* "default", "flag", "QUORATE_X", "file.conf:12". */
};

struct options {
    const struct option_table *table;
    struct option_value *values; /* Owned. One per spec. */
    const char *operand;         /* Borrowed from argv; NULL = none. */
    char *const *rest;           /* Borrowed from argv: what follows "--". */
    size_t rest_count;
    bool wants_help;
    char warning[200]; /* Not empty: a QUORATE_ variable that is not a setting. */
};

/* Every setting at its default. */
void options_init(struct options *options, const struct option_table *table);
void options_deinit(struct options *options);

/* Reads flags (argv without program and command), then environment (NULL-terminated), then the file
 * that the setting "config" names. False: `error` says what is wrong and where. With --help,
 * wants_help is set and nothing else is looked at. */
bool options_load(struct options *options,
                  int argc,
                  char *const *argv,
                  char *const *environment,
                  char *error,
                  size_t error_size);

/* The setting must be in the table. Borrowed until the options change. */
const char *options_text(const struct options *options, const char *name);
const char *options_origin(const struct options *options, const char *name);
uint64_t options_number(const struct options *options, const char *name);
bool options_switch(const struct options *options, const char *name);
/* Replaces a default that is only known at run time. */
void options_set_default(struct options *options, const char *name, const char *text);

/* `name = value  # origin`, one a line: itself a valid file. */
void options_print(const struct options *options, FILE *out);
void options_print_help(const struct option_table *table, FILE *out);

#endif
