/* What the readers of settings (flags, environment, file) share. */
#ifndef Q_SERVER_OPTIONS_PRIVATE_H
#define Q_SERVER_OPTIONS_PRIVATE_H

#include "server/options.h"

/* Where an error text goes. */
struct option_error {
    char *text;
    size_t size;
};

/* NULL: there is no such setting. */
const struct option_spec *options_find(const struct option_table *table, const char *name);

/* Checks and stores. `origin` as in struct option_value; `label` is how the error names the
 * setting. False: error filled. */
bool options_set(struct options *options,
                 const struct option_spec *spec,
                 const char *text,
                 const char *origin,
                 struct option_error error);

/* True when the value still is the default. */
bool options_is_default(const struct options *options, const struct option_spec *spec);

/* Adds what the file says to what is still at its default. */
bool options_load_file(struct options *options, const char *path, struct option_error error);

#endif
