/* The configuration file: `name = value` lines, read by inih. */
#include "server/options_private.h"

#include <errno.h>
#include <ini.h>
#include <string.h>

#define LINE_SIZE_MAX 4096

/* What one pass over the file knows. inih tells its handler no line numbers, so the reader counts
 * them, and it must refuse long lines itself: inih would cut them in two without a word. */
struct reading {
    struct options *options;
    FILE *file;
    const char *path;
    int line;
    bool failed;
    struct option_error error;
};

static char *read_line(char *out, int size, void *stream)
{
    struct reading *reading = stream;
    if (reading->failed || fgets(out, size, reading->file) == NULL) {
        return NULL;
    }
    reading->line++;
    const size_t length = strlen(out);
    if (length + 1 == (size_t)size && out[length - 1] != '\n') {
        (void)snprintf(reading->error.text, reading->error.size,
                       "%s:%d: the line is longer than %d characters", reading->path, reading->line,
                       size - 2);
        reading->failed = true;
        return NULL;
    }
    return out;
}

/* True when this same file has set it already. */
static bool is_repeated(const struct reading *reading, const char *name)
{
    const char *origin = options_origin(reading->options, name);
    const size_t size = strlen(reading->path);
    return strncmp(origin, reading->path, size) == 0 && origin[size] == ':';
}

/* inih's contract: 0 stops with an error. */
static int handle(void *user, const char *section, const char *name, const char *value)
{
    struct reading *reading = user;
    char origin[OPTION_ORIGIN_SIZE_MAX];
    (void)snprintf(origin, sizeof origin, "%.200s:%d", reading->path, reading->line);
    const struct option_spec *spec = options_find(reading->options->table, name);
    reading->failed = true;
    if (section[0] != '\0') {
        (void)snprintf(reading->error.text, reading->error.size,
                       "%s: unknown section [%.100s]; settings stand without one", origin, section);
        return 0;
    }
    if (spec == NULL || spec->not_in_file) {
        (void)snprintf(reading->error.text, reading->error.size,
                       "%s: unknown key '%.100s'; see quorate %s --help", origin, name,
                       reading->options->table->command);
        return 0;
    }
    if (is_repeated(reading, name)) {
        (void)snprintf(reading->error.text, reading->error.size, "%s: %s is given twice", origin,
                       name);
        return 0;
    }
    if (!options_is_default(reading->options, spec)) {
        /* A flag or the environment has set it; the value must be sound all the same. */
        const struct option_value kept =
            reading->options->values[spec - reading->options->table->specs];
        const bool is_sound = options_set(reading->options, spec, value, origin, reading->error);
        reading->options->values[spec - reading->options->table->specs] = kept;
        reading->failed = !is_sound;
        return is_sound;
    }
    reading->failed = !options_set(reading->options, spec, value, origin, reading->error);
    return !reading->failed;
}

bool options_load_file(struct options *options, const char *path, struct option_error error)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        (void)snprintf(error.text, error.size, "cannot read %s: %s", path, strerror(errno));
        return false;
    }
    /* Debian's inih takes its limits from variables. 200 bytes, its default line, do not hold seven
     * addresses. */
    ini_use_stack = false;
    ini_max_line = LINE_SIZE_MAX;
    ini_initial_alloc = LINE_SIZE_MAX;
    ini_stop_on_first_error = true;
    struct reading reading = {.options = options, .file = file, .path = path, .error = error};
    const int result = ini_parse_stream(read_line, &reading, handle, &reading);
    const bool broke = ferror(file) != 0;
    (void)fclose(file); /* Opened for reading only. */
    if (result != 0 && !reading.failed) {
        (void)snprintf(error.text, error.size, "%s:%d: not a line 'name = value'", path,
                       result > 0 ? result : reading.line);
        return false;
    }
    if (broke) {
        (void)snprintf(error.text, error.size, "cannot read %s", path);
        return false;
    }
    return !reading.failed;
}
