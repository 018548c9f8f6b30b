/* Commands about the server: INFO, CONFIG, TIME. */
#include "base/glob.h"
#include "front/resp_handlers.h"
#include "front/resp_session.h"

#include <stdio.h>

/* --- INFO --- */

static uint64_t now_of(const struct front *front)
{
    return front->env->monotonic_ms(front->env->context);
}

static const char *role_text(enum raft_role role)
{
    return role == RAFT_LEADER ? "leader" : role == RAFT_FOLLOWER ? "follower" : "candidate";
}

static void info_server(struct buf *out,
                        const struct front *front,
                        const struct node_status *status)
{
    (void)status;
    const uint64_t up = (now_of(front) - front->started_at_ms) / 1000;
    buf_append_text(out, "# Server\r\nredis_version:7.2.0\r\nredis_mode:standalone\r\n");
    buf_append_format(out, "quorate_version:%s\r\nrun_id:%s\r\ntcp_port:%u\r\n", QUORATE_VERSION,
                      front->run_id, (unsigned)front->port);
    buf_append_format(out, "process_id:%ld\r\nuptime_in_seconds:%llu\r\nuptime_in_days:%llu\r\n",
                      (long)front->process_id, (unsigned long long)up,
                      (unsigned long long)(up / 86400));
    buf_append_text(out, "arch_bits:64\r\nos:Linux\r\n");
}

static void info_clients(struct buf *out,
                         const struct front *front,
                         const struct node_status *status)
{
    buf_append_format(out, "# Clients\r\nconnected_clients:%zu\r\nblocked_clients:0\r\n",
                      front->session_count);
    buf_append_format(out, "requests_in_flight:%zu\r\n", status->waiting);
}

static void info_memory(struct buf *out,
                        const struct front *front,
                        const struct node_status *status)
{
    (void)front;
    (void)status;
    buf_append_text(out, "# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n");
}

static void info_persistence(struct buf *out,
                             const struct front *front,
                             const struct node_status *status)
{
    (void)front;
    (void)status;
    buf_append_text(out, "# Persistence\r\nloading:0\r\naof_enabled:1\r\nasync_loading:0\r\n");
}

static void info_stats(struct buf *out, const struct front *front, const struct node_status *status)
{
    buf_append_format(out,
                      "# Stats\r\ntotal_connections_received:%llu\r\n"
                      "total_commands_processed:%llu\r\nrequests_forwarded:%llu\r\n",
                      (unsigned long long)(front->next_session_id - 1),
                      (unsigned long long)front->commands_processed,
                      (unsigned long long)status->forwarded);
}

/* Every node takes every command, so to a client each one is a master without replicas. */
static void info_replication(struct buf *out,
                             const struct front *front,
                             const struct node_status *status)
{
    (void)status;
    buf_append_format(out,
                      "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"
                      "master_replid:%s\r\n",
                      front->run_id);
}

static void info_cluster(struct buf *out,
                         const struct front *front,
                         const struct node_status *status)
{
    (void)front;
    (void)status;
    buf_append_text(out, "# Cluster\r\ncluster_enabled:0\r\n");
}

static void info_quorate(struct buf *out,
                         const struct front *front,
                         const struct node_status *status)
{
    (void)front;
    buf_append_format(out,
                      "# Quorate\r\nnode:%u\r\nnodes:%zu\r\nbooted:%d\r\ncluster_id:%016llx\r\n",
                      status->self, status->peer_count, status->booted ? 1 : 0,
                      (unsigned long long)status->cluster_id);
    buf_append_format(out, "raft_role:%s\r\nleader:%u\r\nterm:%llu\r\n", role_text(status->role),
                      status->leader, (unsigned long long)status->term);
    buf_append_format(out, "commit_index:%llu\r\napplied_index:%llu\r\nelections:%llu\r\n",
                      (unsigned long long)status->commit_index,
                      (unsigned long long)status->applied_index,
                      (unsigned long long)status->elections);
}

static const struct info_section {
    const char *name; /* Upper case. */
    void (*print)(struct buf *out, const struct front *front, const struct node_status *status);
} info_sections[] = {
    {"SERVER", info_server},           {"CLIENTS", info_clients}, {"MEMORY", info_memory},
    {"PERSISTENCE", info_persistence}, {"STATS", info_stats},     {"REPLICATION", info_replication},
    {"CLUSTER", info_cluster},         {"QUORATE", info_quorate},
};

static bool is_section_wanted(const struct call *call, const char *name)
{
    if (call->arg_count == 1) {
        return true;
    }
    for (size_t i = 1; i < call->arg_count; i++) {
        const struct bytes word = call->args[i];
        if (bytes_equal_word(word, name) || bytes_equal_word(word, "ALL") ||
            bytes_equal_word(word, "DEFAULT") || bytes_equal_word(word, "EVERYTHING")) {
            return true;
        }
    }
    return false;
}

void answer_info(struct call *call)
{
    const struct front *front = call->resp->session->front;
    struct node_status status;
    node_status(front->node, &status);
    struct buf text = {0};
    for (size_t i = 0; i < sizeof info_sections / sizeof info_sections[0]; i++) {
        if (is_section_wanted(call, info_sections[i].name)) {
            buf_append_text(&text, buf_size(&text) > 0 ? "\r\n" : "");
            info_sections[i].print(&text, front, &status);
        }
    }
    resp_print_bulk(call->out, buf_bytes(&text));
    buf_deinit(&text);
}

void answer_time(struct call *call)
{
    const struct env *env = call->resp->session->front->env;
    const uint64_t ms = env->wall_ms(env->context);
    char text[32];
    resp_print_array(call->out, 2);
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)(ms / 1000));
    resp_print_text(call->out, text);
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)(ms % 1000 * 1000));
    resp_print_text(call->out, text);
}

/* --- CONFIG --- */

/* What clients and benchmarks ask for, with what is true here under Redis' names. NULL values are
 * filled in from the front. */
static const struct config_row {
    const char *name;
    const char *value;
} config_rows[] = {
    {"appendfsync", "always"},
    {"appendonly", "yes"},
    {"databases", "1"},
    {"dir", NULL},
    {"maxclients", NULL},
    {"maxmemory", "0"},
    {"maxmemory-policy", "noeviction"},
    {"notify-keyspace-events", ""},
    {"port", NULL},
    {"proto-max-bulk-len", NULL},
    {"save", ""},
    {"slave-read-only", "no"},
    {"timeout", NULL},
};

#define CONFIG_ROW_COUNT (sizeof config_rows / sizeof config_rows[0])

static bool is_row_wanted(const struct call *call, const char *name)
{
    for (size_t i = 2; i < call->arg_count; i++) {
        if (glob_matches(call->args[i], bytes_of_text(name), GLOB_IGNORE_CASE)) {
            return true;
        }
    }
    return false;
}

static void print_config_value(struct call *call, const struct config_row *row)
{
    const struct front *front = call->resp->session->front;
    const struct bytes name = bytes_of_text(row->name);
    if (row->value != NULL) {
        resp_print_text(call->out, row->value);
        return;
    }
    if (bytes_equal_word(name, "DIR")) {
        resp_print_text(call->out, front->data_directory == NULL ? "" : front->data_directory);
        return;
    }
    unsigned long long value = front->value_size_max;
    if (bytes_equal_word(name, "PORT")) {
        value = front->port;
    } else if (bytes_equal_word(name, "MAXCLIENTS")) {
        value = front->clients_max;
    } else if (bytes_equal_word(name, "TIMEOUT")) {
        value = front->idle_timeout_ms / 1000; /* Redis counts seconds. */
    }
    char text[32];
    (void)snprintf(text, sizeof text, "%llu", value);
    resp_print_text(call->out, text);
}

void answer_config_get(struct call *call)
{
    size_t wanted = 0;
    for (size_t i = 0; i < CONFIG_ROW_COUNT; i++) {
        wanted += is_row_wanted(call, config_rows[i].name) ? 1 : 0;
    }
    resp_print_map(call->out, call->protocol, wanted);
    for (size_t i = 0; i < CONFIG_ROW_COUNT; i++) {
        if (is_row_wanted(call, config_rows[i].name)) {
            resp_print_text(call->out, config_rows[i].name);
            print_config_value(call, &config_rows[i]);
        }
    }
}

void answer_config_set(struct call *call)
{
    resp_print_error_format(call->out, "ERR",
                            "CONFIG SET is not supported: settings are flags, environment or file "
                            "of `quorate serve`");
}

void answer_config_resetstat(struct call *call)
{
    call->resp->session->front->commands_processed = 0;
    resp_print_status(call->out, bytes_of_text("OK"));
}
