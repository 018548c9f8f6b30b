#include "server/config.h"

#include "base/limits.h"
#include "base/os/log.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct option_spec specs[] = {
    {"data-dir", OPTION_PATH, false, "",
     "where everything is kept, one directory per node; default "
     "/var/lib/quorate as root, else ~/.local/share/quorate",
     0, 0, NULL},
    {"cluster", OPTION_ADDRESSES, false, "",
     "peer addresses of all nodes, the same list on each; empty: a cluster of one", 0, 0, NULL},
    {"listen", OPTION_ADDRESS, false, "127.0.0.1:7480", "where Redis clients connect", 0, 0, NULL},
    {"http", OPTION_ADDRESS, false, "127.0.0.1:7481", "where HTTP is served", 0, 0, NULL},
    {"peer", OPTION_ADDRESS, false, "127.0.0.1:7482", "where the other nodes connect", 0, 0, NULL},
    {"advertise", OPTION_TEXT, false, "",
     "own peer address as it stands in --cluster; default --peer", 0, 0, NULL},
    {"insecure", OPTION_SWITCH, false, "false",
     "allow addresses that others can reach, without TLS and passwords", 0, 0, NULL},
    {"heartbeat-ms", OPTION_NUMBER, false, "50", "pause between a leader's heartbeats", 5, 60000,
     NULL},
    {"election-min-ms", OPTION_NUMBER, false, "350",
     "shortest silence of the leader before an election", 20, 600000, NULL},
    {"election-max-ms", OPTION_NUMBER, false, "700",
     "longest silence, drawn at random between the two", 21, 600000, NULL},
    {"request-timeout-ms", OPTION_NUMBER, false, "5000",
     "how long a request may wait for a leader or a majority", 10, 600000, NULL},
    {"value-size-max", OPTION_SIZE, false, "2M", "largest value", 1, VALUE_SIZE_MAX, NULL},
    {"log-keep-bytes", OPTION_SIZE, false, "64M", "log kept for replicas that lag", UINT64_C(65536),
     (uint64_t)64 << 30, NULL},
    {"wal-segment-size", OPTION_SIZE, false, "64M", "size of a log file", UINT64_C(65536),
     (uint64_t)1 << 30, NULL},
    {"waiting-max", OPTION_NUMBER, false, "65536", "requests in flight on this node; past it BUSY",
     1, 1 << 20, NULL},
    {"clients-max", OPTION_NUMBER, false, "10000", "connections of Redis clients at a time", 1,
     1 << 20, NULL},
    {"idle-timeout-ms", OPTION_NUMBER, false, "0", "close clients silent for so long; 0: never", 0,
     86400000, NULL},
    {"drain-ms", OPTION_NUMBER, false, "2000", "how long a stopping node finishes what it began", 0,
     60000, NULL},
    {"log-level", OPTION_CHOICE, false, "info", "how much is logged", 0, 0,
     "debug|info|warn|error|off"},
    {"log-format", OPTION_CHOICE, false, "logfmt", "how it is logged", 0, 0, "logfmt|json"},
    {"config", OPTION_PATH, true, "", "file with settings, one `name = value` a line", 0, 0, NULL},
    {"print-config", OPTION_SWITCH, true, "false", "print every setting and where it comes from", 0,
     0, NULL},
    {"check-config", OPTION_SWITCH, true, "false", "check the settings and stop", 0, 0, NULL},
};

const struct option_table serve_options = {
    .command = "serve",
    .purpose = "Runs one node in the foreground until SIGTERM or Ctrl-C.",
    .examples = "  quorate serve --data-dir ./data                        a cluster of one\n"
                "  quorate serve --data-dir ./n1 --listen 10.0.0.1:7480 --http 10.0.0.1:7481 \\\n"
                "      --peer 10.0.0.1:7482 --cluster 10.0.0.1:7482,10.0.0.2:7482,10.0.0.3:7482 "
                "--insecure\n"
                "  quorate serve --config /etc/quorate.conf --check-config\n",
    .specs = specs,
    .count = sizeof specs / sizeof specs[0],
};

void config_default_data_directory(char *out, size_t size)
{
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    if (geteuid() == 0) {
        (void)snprintf(out, size, "/var/lib/quorate");
    } else if (data != NULL && data[0] == '/') {
        (void)snprintf(out, size, "%s/quorate", data);
    } else {
        (void)snprintf(out, size, "%s/.local/share/quorate", home != NULL ? home : "");
    }
}

int config_log_level(const char *text)
{
    const char *names[] = {"debug", "info", "warn", "error"};
    const int levels[] = {LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) == 0) {
            return levels[i];
        }
    }
    return LOG_OFF;
}

/* The directory may not exist yet, so realpath is no help. */
static bool absolute_path(const char *path, char *out, size_t size)
{
    char here[PATH_MAX] = "";
    if (path[0] != '/' && getcwd(here, sizeof here) == NULL) {
        return false;
    }
    const int length =
        path[0] == '/' ? snprintf(out, size, "%s", path) : snprintf(out, size, "%s/%s", here, path);
    return length > 0 && (size_t)length < size;
}

/* Splits the list and finds our own address in it. */
static bool read_cluster(const struct options *options,
                         struct node_options *node,
                         char *error,
                         size_t size)
{
    const char *self = options_text(options, "advertise");
    if (self[0] == '\0') {
        self = options_text(options, "peer");
    }
    struct address address;
    if (!address_parse(self, &address) || strlen(self) >= sizeof node->self) {
        (void)snprintf(error, size, "advertise: '%.100s' is not an address HOST:PORT", self);
        return false;
    }
    (void)snprintf(node->self, sizeof node->self, "%s", self);
    const char *list = options_text(options, "cluster");
    bool has_self = list[0] == '\0';
    for (const char *at = list[0] != '\0' ? list : self; at != NULL;) {
        const char *comma = strchr(at, ',');
        const size_t length = comma != NULL ? (size_t)(comma - at) : strlen(at);
        if (node->address_count == NODES_MAX) {
            (void)snprintf(error, size, "cluster: more than %d addresses", NODES_MAX);
            return false;
        }
        char *slot = node->addresses[node->address_count++];
        (void)snprintf(slot, NODE_ADDRESS_SIZE_MAX, "%.*s", (int)length, at);
        for (size_t i = 0; i + 1 < node->address_count; i++) {
            if (strcmp(node->addresses[i], slot) == 0) {
                (void)snprintf(error, size, "cluster: %s stands twice in the list", slot);
                return false;
            }
        }
        has_self = has_self || strcmp(slot, self) == 0;
        at = comma != NULL ? comma + 1 : NULL;
    }
    if (!has_self) {
        (void)snprintf(error, size,
                       "cluster: this node's own peer address %s is not in the list; give it as "
                       "it stands there with --advertise",
                       self);
    }
    return has_self;
}

/* Without passwords and TLS, whoever can reach a port owns the data. */
static bool check_exposure(const struct options *options,
                           const char *name,
                           struct address *out_address,
                           char *error,
                           size_t size)
{
    struct sockaddr_storage where;
    const char *text = options_text(options, name);
    if (!address_parse(text, out_address) || !address_resolve(out_address, &where)) {
        (void)snprintf(error, size, "%s: no such host: %.200s", name, text);
        return false;
    }
    if (!address_is_loopback(&where) && !options_switch(options, "insecure")) {
        (void)snprintf(error, size,
                       "%s: others can reach %.200s, and anybody who can may read and change "
                       "everything; say --insecure if that is meant",
                       name, text);
        return false;
    }
    return true;
}

bool config_from_options(const struct options *options,
                         struct config *out_config,
                         char *error,
                         size_t error_size)
{
    struct config config = {0};
    struct node_options *node = &config.node;
    node->heartbeat_ms = (uint32_t)options_number(options, "heartbeat-ms");
    node->election_min_ms = (uint32_t)options_number(options, "election-min-ms");
    node->election_max_ms = (uint32_t)options_number(options, "election-max-ms");
    node->request_timeout_ms = (uint32_t)options_number(options, "request-timeout-ms");
    node->value_size_max = options_number(options, "value-size-max");
    node->log_keep_bytes = options_number(options, "log-keep-bytes");
    node->wal_segment_size = options_number(options, "wal-segment-size");
    node->parked_max = options_number(options, "waiting-max");
    if (node->election_min_ms < 2 * node->heartbeat_ms) {
        (void)snprintf(error, error_size,
                       "election-min-ms (%u) must be at least twice heartbeat-ms (%u): one lost "
                       "heartbeat must not start an election",
                       node->election_min_ms, node->heartbeat_ms);
        return false;
    }
    if (node->election_max_ms <= node->election_min_ms) {
        (void)snprintf(error, error_size,
                       "election-max-ms (%u) must be above election-min-ms (%u): equal time-outs "
                       "split every vote",
                       node->election_max_ms, node->election_min_ms);
        return false;
    }
    if (!read_cluster(options, node, error, error_size) ||
        !check_exposure(options, "listen", &config.resp, error, error_size) ||
        !check_exposure(options, "http", &config.http, error, error_size) ||
        !check_exposure(options, "peer", &config.peer, error, error_size)) {
        return false;
    }
    if (!absolute_path(options_text(options, "data-dir"), config.data_directory,
                       sizeof config.data_directory)) {
        (void)snprintf(error, error_size, "data-dir: the path is too long");
        return false;
    }
    config.connections_max = options_number(options, "clients-max");
    config.idle_timeout_ms = (uint32_t)options_number(options, "idle-timeout-ms");
    config.drain_ms = (uint32_t)options_number(options, "drain-ms");
    config.log_level = config_log_level(options_text(options, "log-level"));
    config.log_json = strcmp(options_text(options, "log-format"), "json") == 0;
    *out_config = config;
    return true;
}
