#include "sim/seeds_file.h"

#include <stdio.h>

#define LINE_SIZE_MAX 65536
#define BLANKS        " \t"

static bool read_seed(struct bytes word, uint64_t *out)
{
    int64_t value = 0;
    if (!bytes_to_int64(word, &value) || value < 0) {
        return false;
    }
    *out = (uint64_t)value;
    return true;
}

static bool parse_content(char *content, struct seeds_line *out, char *out_error, size_t error_size)
{
    static const char NODES[] = "--nodes ";
    content += strspn(content, BLANKS);
    if (*content == '\0') {
        return true;
    }
    const size_t size = strcspn(content, BLANKS);
    if (!read_seed(bytes_of(content, size), &out->seed)) {
        (void)snprintf(out_error, error_size, "%.*s: is no seed", (int)(size < 64 ? size : 64),
                       content);
        return false;
    }
    out->has_seed = true;
    content += size;
    content += strspn(content, BLANKS);
    if (strncmp(content, NODES, sizeof NODES - 1) == 0) { /* What it was before there was `=`. */
        content += sizeof NODES - 1 - strlen("nodes=");
        memcpy(content, "nodes=", strlen("nodes="));
    }
    return option_changes_parse(&out->changes, content, out_error, error_size);
}

bool seeds_line_parse(const char *line, struct seeds_line *out, char *out_error, size_t error_size)
{
    char content[LINE_SIZE_MAX];
    const size_t size = strcspn(line, "#\r\n");
    if (size >= sizeof content) {
        (void)snprintf(out_error, error_size, "the line is too long");
        return false;
    }
    memcpy(content, line, size);
    content[size] = '\0';
    *out = (struct seeds_line){.has_seed = false};
    return parse_content(content, out, out_error, error_size);
}

static void skip_line(void *context, const struct seeds_line *line)
{
    (void)context;
    (void)line;
}

static bool read_lines(
    FILE *file, seeds_line_fn visit, void *context, char *out_error, size_t error_size)
{
    char text[LINE_SIZE_MAX];
    for (size_t number = 1; fgets(text, sizeof text, file) != NULL; number++) {
        struct seeds_line line;
        const int size = snprintf(out_error, error_size, "line %zu: ", number);
        if (size < 0 || (size_t)size >= error_size ||
            !seeds_line_parse(text, &line, out_error + size, error_size - (size_t)size)) {
            return false;
        }
        if (line.has_seed) {
            visit(context, &line);
        }
    }
    return true;
}

bool seeds_file_read(
    const char *path, seeds_line_fn visit, void *context, char *out_error, size_t error_size)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        (void)snprintf(out_error, error_size, "cannot be read");
        return false;
    }
    bool ok = read_lines(file, skip_line, NULL, out_error, error_size);
    if (ok) {
        rewind(file);
        ok = read_lines(file, visit, context, out_error, error_size);
    }
    (void)fclose(file);
    return ok;
}
