/* What `quorate serve` runs with: its settings, checked against each other. */
#ifndef Q_SERVER_CONFIG_H
#define Q_SERVER_CONFIG_H

#include "net/address.h"
#include "node/node.h"
#include "server/options.h"

/* Exit codes of every command (docs/reference/cli.md). */
enum exit_code {
    EXIT_OK = 0,
    EXIT_ERROR = 1,
    EXIT_USAGE = 2,
    EXIT_LOCKED = 3,
    EXIT_KEY_NOT_FOUND = 4,
    EXIT_OUTCOME_UNKNOWN = 5,
    EXIT_CONDITION_FAILED = 6
};

extern const struct option_table serve_options;

struct config {
    char data_directory[512]; /* Absolute. */
    struct address resp;
    struct address http;
    struct address peer;
    struct node_options node; /* All but the seed. */
    size_t connections_max;
    uint32_t idle_timeout_ms;
    uint32_t drain_ms;
    int log_level; /* enum log_level. */
    bool log_json;
};

/* `options` are loaded. False: `error` says which settings do not go together. */
bool config_from_options(const struct options *options,
                         struct config *out_config,
                         char *error,
                         size_t error_size);

/* Where data go when nobody says: /var/lib/quorate for root, else below the user's home. */
void config_default_data_directory(char *out, size_t size);

/* The level of a valid --log-level text. */
int config_log_level(const char *text);

#endif
