/* tests/seeds.txt: seeds to be replayed, one a line, with the options they failed with.
 *
 *   line     := [seed {name=value}] ['#' comment]
 *
 * A seed alone draws its options anew, which may change with the simulator. Given pairs replace
 * what is drawn; with draw=0 among them nothing is drawn and the line stays what it is.
 */
#ifndef Q_SIM_SEEDS_FILE_H
#define Q_SIM_SEEDS_FILE_H

#include "sim/option_text.h"

struct seeds_line {
    bool has_seed; /* False: an empty line, or only a comment. */
    uint64_t seed;
    struct option_changes changes;
};

/* False, and what is wrong in `out_error`, when malformed. `line` is without its newline. */
bool seeds_line_parse(const char *line, struct seeds_line *out, char *out_error, size_t error_size);

/* Called for each line with a seed. */
typedef void (*seeds_line_fn)(void *context, const struct seeds_line *line);

/* Reads the whole file and then calls `visit` for each seed, in order. False, and what is wrong and
 * in which line in `out_error`, when the file cannot be read or a line is malformed; `visit` has
 * not been called then. */
bool seeds_file_read(
    const char *path, seeds_line_fn visit, void *context, char *out_error, size_t error_size);

#endif
