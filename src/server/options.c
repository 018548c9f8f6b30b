#include "server/options.h"

#include "base/bytes.h"
#include "base/check.h"
#include "base/os/heap.h"
#include "net/address.h"
#include "server/options_private.h"

#include <string.h>

#define ENVIRONMENT_PREFIX "QUORATE_"
#define NAME_SIZE_MAX      64

const struct option_spec *options_find(const struct option_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->specs[i].name, name) == 0) {
            return &table->specs[i];
        }
    }
    return NULL;
}

static struct option_value *value_of(const struct options *options, const struct option_spec *spec)
{
    return &options->values[spec - options->table->specs];
}

static struct option_value *value_named(const struct options *options, const char *name)
{
    const struct option_spec *spec = options_find(options->table, name);
    Q_CHECK(spec != NULL);
    return value_of(options, spec);
}

bool options_is_default(const struct options *options, const struct option_spec *spec)
{
    return strcmp(value_of(options, spec)->origin, "default") == 0;
}

/* ASCII only: the names of settings must not depend on the locale. */
static char upper(char c)
{
    if (c < 'a' || c > 'z') {
        return c;
    }
    return (char)(c - 'a' + 'A');
}

static char lower(char c)
{
    if (c < 'A' || c > 'Z') {
        return c;
    }
    return (char)(c - 'A' + 'a');
}

/* Decimal; SIZE may have a unit. False: not a number, or past uint64. */
static bool parse_number(enum option_kind kind, const char *text, uint64_t *out_value)
{
    size_t size = strlen(text);
    uint64_t unit = 1;
    if (kind == OPTION_SIZE && size > 1) {
        const char *units = "KMG";
        const char *found = strchr(units, upper(text[size - 1]));
        if (found != NULL && *found != '\0') {
            unit = (uint64_t)1 << (10 * (found - units + 1));
            size--;
        }
    }
    int64_t number = 0;
    if (!bytes_to_int64(bytes_of(text, size), &number) || number < 0 ||
        (uint64_t)number > UINT64_MAX / unit) {
        return false;
    }
    *out_value = (uint64_t)number * unit;
    return true;
}

static bool is_choice(const char *choices, const char *text)
{
    const size_t size = strlen(text);
    for (const char *at = choices; at != NULL;) {
        const char *bar = strchr(at, '|');
        const size_t length = bar != NULL ? (size_t)(bar - at) : strlen(at);
        if (length == size && memcmp(at, text, size) == 0) {
            return true;
        }
        at = bar != NULL ? bar + 1 : NULL;
    }
    return false;
}

static bool are_addresses(const char *text)
{
    char one[ADDRESS_HOST_SIZE_MAX + 8];
    for (const char *at = text; at != NULL;) {
        const char *comma = strchr(at, ',');
        const size_t length = comma != NULL ? (size_t)(comma - at) : strlen(at);
        struct address address;
        if (length >= sizeof one) {
            return false;
        }
        memcpy(one, at, length);
        one[length] = '\0';
        if (!address_parse(one, &address)) {
            return false;
        }
        at = comma != NULL ? comma + 1 : NULL;
    }
    return true;
}

/* How an error names a setting: as the user wrote it. */
static void name_place(const struct option_spec *spec, const char *origin, char *out, size_t size)
{
    if (strcmp(origin, "flag") == 0) {
        (void)snprintf(out, size, "--%s", spec->name);
    } else {
        (void)snprintf(out, size, "%s: %s", origin, spec->name);
    }
}

/* NULL, or what the value should have been. */
static const char *expectation(const struct option_spec *spec, const char *text)
{
    struct address address;
    uint64_t number = 0;
    switch (spec->kind) {
    case OPTION_TEXT:
    case OPTION_PATH: return NULL;
    case OPTION_ADDRESS: return address_parse(text, &address) ? NULL : "an address HOST:PORT";
    case OPTION_ADDRESSES:
        return text[0] == '\0' || are_addresses(text) ? NULL : "a list HOST:PORT,HOST:PORT...";
    case OPTION_NUMBER: return parse_number(spec->kind, text, &number) ? NULL : "a number";
    case OPTION_SIZE:
        return parse_number(spec->kind, text, &number) ? NULL
                                                       : "a size such as 1048576, 1024K or 1M";
    case OPTION_SWITCH: return is_choice("true|false", text) ? NULL : "true or false";
    case OPTION_CHOICE: return is_choice(spec->choices, text) ? NULL : spec->choices;
    }
    return NULL;
}

bool options_set(struct options *options,
                 const struct option_spec *spec,
                 const char *text,
                 const char *origin,
                 struct option_error error)
{
    char place[OPTION_ORIGIN_SIZE_MAX + NAME_SIZE_MAX];
    name_place(spec, origin, place, sizeof place);
    const char *wanted = expectation(spec, text);
    if (wanted != NULL) {
        (void)snprintf(error.text, error.size, "%s: '%.100s' is not %s%s", place, text,
                       spec->kind == OPTION_CHOICE ? "one of " : "", wanted);
        return false;
    }
    if (strlen(text) >= OPTION_VALUE_SIZE_MAX) {
        (void)snprintf(error.text, error.size, "%s: longer than %d bytes", place,
                       OPTION_VALUE_SIZE_MAX - 1);
        return false;
    }
    uint64_t number = 0;
    if ((spec->kind == OPTION_NUMBER || spec->kind == OPTION_SIZE) &&
        (!parse_number(spec->kind, text, &number) || number < spec->min || number > spec->max)) {
        (void)snprintf(error.text, error.size, "%s: %s is not within %llu..%llu", place, text,
                       (unsigned long long)spec->min, (unsigned long long)spec->max);
        return false;
    }
    struct option_value *value = value_of(options, spec);
    (void)snprintf(value->text, sizeof value->text, "%s", text);
    (void)snprintf(value->origin, sizeof value->origin, "%s", origin);
    return true;
}

void options_init(struct options *options, const struct option_table *table)
{
    *options = (struct options){.table = table};
    options->values = heap_alloc(table->count * sizeof *options->values);
    for (size_t i = 0; i < table->count; i++) {
        char error[400];
        /* The table's own defaults must pass its own rules. */
        Q_CHECK(options_set(options, &table->specs[i], table->specs[i].fallback, "default",
                            (struct option_error){error, sizeof error}));
    }
}

void options_deinit(struct options *options)
{
    heap_free(options->values);
    *options = (struct options){0};
}

void options_set_default(struct options *options, const char *name, const char *text)
{
    struct option_value *value = value_named(options, name);
    (void)snprintf(value->text, sizeof value->text, "%s", text);
    (void)snprintf(value->origin, sizeof value->origin, "default");
}

/* One flag at argv[*at]; moves on past its value. */
static bool load_flag(
    struct options *options, int argc, char *const *argv, int *at, struct option_error error)
{
    const char *flag = argv[*at] + 2;
    const char *equals = strchr(flag, '=');
    char name[NAME_SIZE_MAX];
    const size_t length = equals != NULL ? (size_t)(equals - flag) : strlen(flag);
    (void)snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : 0), flag);
    const struct option_spec *spec = options_find(options->table, name);
    if (spec == NULL) {
        (void)snprintf(error.text, error.size, "unknown flag --%.*s; see quorate %s --help",
                       (int)length, flag, options->table->command);
        return false;
    }
    const char *text = equals != NULL ? equals + 1 : NULL;
    if (text == NULL && spec->kind == OPTION_SWITCH) {
        text = "true";
    } else if (text == NULL) {
        if (*at + 1 >= argc) {
            (void)snprintf(error.text, error.size, "--%s needs a value", name);
            return false;
        }
        text = argv[++*at];
    }
    if (!options_is_default(options, spec)) {
        (void)snprintf(error.text, error.size, "--%s is given twice", name);
        return false;
    }
    return options_set(options, spec, text, "flag", error);
}

static bool load_flags(struct options *options,
                       int argc,
                       char *const *argv,
                       struct option_error error)
{
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            options->wants_help = true;
            return true;
        }
        if (strcmp(word, "--") == 0 && options->table->rest != NULL) {
            options->rest = argv + i + 1;
            options->rest_count = (size_t)(argc - i - 1);
            return true;
        }
        if (strncmp(word, "--", 2) == 0 && word[2] != '\0') {
            if (!load_flag(options, argc, argv, &i, error)) {
                return false;
            }
            continue;
        }
        /* The one short flag there is: the output form, as other tools of the kind have it. */
        const struct option_spec *output = options_find(options->table, "output");
        if (strcmp(word, "-o") == 0 && output != NULL && i + 1 < argc) {
            if (!options_set(options, output, argv[++i], "flag", error)) {
                return false;
            }
            continue;
        }
        if (word[0] == '-' || options->table->operand == NULL || options->operand != NULL) {
            (void)snprintf(error.text, error.size, "unexpected '%.100s'; see quorate %s --help",
                           word, options->table->command);
            return false;
        }
        options->operand = word;
    }
    return true;
}

/* QUORATE_HEARTBEAT_MS -> heartbeat-ms. */
static void name_of_variable(const char *variable, size_t size, char *out)
{
    const size_t prefix = strlen(ENVIRONMENT_PREFIX);
    size_t used = 0;
    for (size_t i = prefix; i < size && used + 1 < NAME_SIZE_MAX; i++) {
        const char c = variable[i];
        out[used++] = '-';
        if (c != '_') {
            out[used - 1] = lower(c);
        }
    }
    out[used] = '\0';
}

static bool load_environment(struct options *options,
                             char *const *environment,
                             struct option_error error)
{
    for (size_t i = 0; environment[i] != NULL; i++) {
        const char *entry = environment[i];
        const char *equals = strchr(entry, '=');
        if (equals == NULL || strncmp(entry, ENVIRONMENT_PREFIX, strlen(ENVIRONMENT_PREFIX)) != 0) {
            continue;
        }
        char name[NAME_SIZE_MAX];
        name_of_variable(entry, (size_t)(equals - entry), name);
        char origin[NAME_SIZE_MAX];
        (void)snprintf(origin, sizeof origin, "%.*s", (int)(equals - entry), entry);
        const struct option_spec *spec = options_find(options->table, name);
        if (spec == NULL) {
            /* Not an error: Kubernetes puts QUORATE_SERVICE_HOST and its like into the environment
             * of everything that stands beside a service called quorate. */
            (void)snprintf(options->warning, sizeof options->warning,
                           "environment variable %s is not a setting", origin);
            continue;
        }
        if (options_is_default(options, spec) &&
            !options_set(options, spec, equals + 1, origin, error)) {
            return false;
        }
    }
    return true;
}

bool options_load(struct options *options,
                  int argc,
                  char *const *argv,
                  char *const *environment,
                  char *error,
                  size_t error_size)
{
    const struct option_error where = {error, error_size};
    if (!load_flags(options, argc, argv, where)) {
        return false;
    }
    if (options->wants_help || options->table->flags_only) {
        return true;
    }
    if (!load_environment(options, environment, where)) {
        return false;
    }
    const char *path = options_text(options, "config");
    return path[0] == '\0' || options_load_file(options, path, where);
}

const char *options_text(const struct options *options, const char *name)
{
    return value_named(options, name)->text;
}

const char *options_origin(const struct options *options, const char *name)
{
    return value_named(options, name)->origin;
}

uint64_t options_number(const struct options *options, const char *name)
{
    const struct option_spec *spec = options_find(options->table, name);
    Q_CHECK(spec != NULL && (spec->kind == OPTION_NUMBER || spec->kind == OPTION_SIZE));
    uint64_t number = 0;
    Q_CHECK(parse_number(spec->kind, value_of(options, spec)->text, &number));
    return number;
}

bool options_switch(const struct options *options, const char *name)
{
    return strcmp(value_named(options, name)->text, "true") == 0;
}

void options_print(const struct options *options, FILE *out)
{
    for (size_t i = 0; i < options->table->count; i++) {
        const struct option_spec *spec = &options->table->specs[i];
        if (!spec->not_in_file) {
            const struct option_value *value = value_of(options, spec);
            (void)fprintf(out, "%s = %s  ; %s\n", spec->name, value->text, value->origin);
        }
    }
}

static const char *placeholder(const struct option_spec *spec)
{
    switch (spec->kind) {
    case OPTION_TEXT: return " TEXT";
    case OPTION_PATH: return " PATH";
    case OPTION_ADDRESS: return " HOST:PORT";
    case OPTION_ADDRESSES: return " HOST:PORT,...";
    case OPTION_NUMBER: return " N";
    case OPTION_SIZE: return " SIZE";
    case OPTION_SWITCH: return "";
    case OPTION_CHOICE: return " WORD";
    }
    return "";
}

void options_print_help(const struct option_table *table, FILE *out)
{
    (void)fprintf(out, "usage: quorate %s", table->command);
    if (table->operand != NULL) {
        (void)fprintf(out, " [%s]", table->operand);
    }
    (void)fprintf(out, " [flags]%s\n\n%s\n\nflags:\n",
                  table->rest != NULL ? " [-- flags of serve]" : "", table->purpose);
    for (size_t i = 0; i < table->count; i++) {
        const struct option_spec *spec = &table->specs[i];
        char left[64];
        (void)snprintf(left, sizeof left, "--%s%s", spec->name, placeholder(spec));
        (void)fprintf(out, "  %-34s %s", left, spec->help);
        if (spec->kind == OPTION_CHOICE) {
            (void)fprintf(out, ": %s", spec->choices);
        }
        if (spec->fallback[0] != '\0' && spec->kind != OPTION_SWITCH) {
            (void)fprintf(out, " (default %s)", spec->fallback);
        }
        (void)fputc('\n', out);
    }
    (void)fprintf(out, "  %-34s %s\n", "--help", "this text");
    if (!table->flags_only) {
        (void)fprintf(out, "\nEach setting can also stand in the environment "
                           "(--heartbeat-ms: QUORATE_HEARTBEAT_MS) and in the file\nof --config "
                           "(heartbeat-ms = 50). A flag wins over the environment, that over the "
                           "file.\n");
    }
    (void)fprintf(out, "\nexamples:\n%s", table->examples);
}
