#include "sim/report.h"

#include <inttypes.h>

#define COLUMNS 100
#define INDENT  "    "

void report_replay(const struct origin *origin,
                   const struct option_changes *changes,
                   uint64_t seed,
                   struct buf *out)
{
    struct option_changes rest = *changes;
    const uint32_t nodes = option_changes_partition_nodes(changes);
    buf_append_text(out, origin->program);
    if (nodes > 0) {
        char partition[128];
        partitions_replay(nodes, seed, partition, sizeof partition);
        buf_append_format(out, " %s", partition);
        rest.is_given[option_find("partition_nodes")] = false;
    } else {
        buf_append_format(out, " --seed %" PRIu64, seed);
    }
    if (!option_changes_are_empty(&rest)) {
        struct buf pairs = {0};
        option_changes_print(&rest, &pairs);
        buf_append_text(out, " --set \"");
        buf_append(out, buf_bytes(&pairs));
        buf_append_text(out, "\"");
        buf_deinit(&pairs);
    }
    if (origin->plant != NULL) {
        buf_append_format(out, " --plant %s", origin->plant);
    }
}

void report_line(const struct sim_options *options, struct buf *out)
{
    struct buf pairs = {0};
    sim_options_print_short(options, &pairs);
    buf_append_format(out, "%" PRIu64 " ", options->seed);
    buf_append(out, buf_bytes(&pairs));
    buf_deinit(&pairs);
}

/* Words over several lines, each indented. */
static void append_wrapped(struct buf *out, struct bytes words)
{
    size_t column = 0;
    while (words.size > 0) {
        const uint8_t *blank = memchr(words.data, ' ', words.size);
        const size_t size = blank == NULL ? words.size : (size_t)(blank - words.data);
        if (column > 0 && column + 1 + size > COLUMNS) {
            buf_append_text(out, "\n");
            column = 0;
        }
        buf_append_text(out, column == 0 ? INDENT : " ");
        column += column == 0 ? strlen(INDENT) : 1;
        buf_append(out, bytes_of(words.data, size));
        column += size;
        const size_t used = blank == NULL ? size : size + 1;
        words = bytes_of(words.data + used, words.size - used);
    }
    buf_append_text(out, "\n");
}

static void append_hash(const struct world_result *result, struct buf *out)
{
    if (!result->has_ended) {
        buf_append_text(out, "  hash: unknown, the process died\n");
        return;
    }
    buf_append_format(out, "  hash: %016" PRIx64, result->hash);
    if (result->hash_again == result->hash) {
        buf_append_text(out, ", a second run gave the same\n");
    } else if (result->hash_again != 0) {
        buf_append_format(out, ", BUT A SECOND RUN GAVE %016" PRIx64 ": not deterministic\n",
                          result->hash_again);
    } else {
        buf_append_text(out, "\n");
    }
}

void report_violation(const struct origin *origin,
                      const struct option_changes *changes,
                      const struct world_result *result,
                      struct buf *out)
{
    const struct violation *violation = &result->violation;
    struct sim_options options = {0};
    const char *error = NULL;
    (void)option_changes_resolve(changes, result->seed, &options, &error); /* It did fit. */
    buf_append_format(out, "VIOLATION seed=%" PRIu64 " checker=%s at=%.3fs\n  %s\n", result->seed,
                      violation->checker, (double)violation->at_us / 1e6, violation->reason);
    buf_append_format(out, "  commit: %s\n", origin->commit);
    append_hash(result, out);
    struct buf pairs = {0};
    sim_options_print(&options, &pairs);
    buf_append_text(out, "  options:\n");
    append_wrapped(out, buf_bytes(&pairs));
    buf_deinit(&pairs);
    buf_append_text(out, "  replay: ");
    report_replay(origin, changes, result->seed, out);
    buf_append_text(out, "\n    --verbose tells what happened, --shrink makes it smaller\n"
                         "  add to tests/seeds.txt: ");
    report_line(&options, out);
    buf_append_text(out, "\n");
}
