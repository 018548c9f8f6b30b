#include "server/server.h"

#include "base/err.h"
#include "base/os/clock.h"
#include "base/os/heap.h"
#include "base/os/log.h"
#include "server/notify.h"
#include "server/server_private.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

static uint64_t monotonic_ms(void *context)
{
    (void)context;
    return clock_monotonic_ms();
}

static uint64_t wall_ms(void *context)
{
    (void)context;
    return clock_wall_ms();
}

static void log_start(void *context)
{
    struct server *server = context;
    log_thread_start(server->log_thread);
}

/* In the log thread. */
static int execute_log_job(void *context)
{
    struct server *server = context;
    struct wal *wal = node_wal(server->node);
    const int result = wal_job_write(wal);
    return result == Q_OK ? wal_job_sync(wal) : result;
}

static void log_job_done(void *context, int result)
{
    struct server *server = context;
    node_log_done(server->node, result);
}

static void turn(void *context)
{
    struct server *server = context;
    if (server->node == NULL) {
        return; /* The loop only runs to close what a failed start had opened. */
    }
    node_turn(server->node);
    const char *reason = NULL;
    const int health = node_health(server->node, &reason);
    if (health != Q_OK) {
        log_event(LOG_ERROR, "node_failed", "reason=\"%s\"", reason);
        if (health == Q_ENOSPC) {
            server->hooks.start_again(server->hooks.context);
        }
        _exit(EXIT_ERROR);
    }
    server_advance_stop(server);
}

static uint64_t next_deadline(void *context)
{
    const struct server *server = context;
    if (server->node == NULL) {
        return LOOP_NO_DEADLINE;
    }
    const uint64_t node_ms = node_next_deadline(server->node);
    const uint64_t stop_ms = server_stop_deadline(server);
    return node_ms < stop_ms ? node_ms : stop_ms;
}

/* Every client is a descriptor; the soft limit of 1024 is for programs that use select. */
static void raise_descriptor_limit(struct config *config)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* Else the soft limit stays; looked at next. */
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    const rlim_t reserved = 512 + HTTP_CLIENTS_MAX; /* The engine's files, peers, the log. */
    const rlim_t possible = limit.rlim_cur > reserved + 64 ? limit.rlim_cur - reserved : 64;
    if (config->connections_max > possible) {
        log_event(LOG_WARN, "clients_limited", "clients_max=%zu possible=%llu reason=\"%s\"",
                  config->connections_max, (unsigned long long)possible,
                  "limit on open files (ulimit -n)");
        config->connections_max = (size_t)possible;
    }
}

static void fill_front(struct server *server)
{
    struct front *front = &server->front;
    front->node = server->node;
    front->env = &server->env;
    uint8_t random[20];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        log_event(LOG_WARN, "no_random", "run_id=0"); /* Only a label; nothing rests on it. */
        memset(random, 0, sizeof random);
    }
    for (size_t i = 0; i < sizeof random; i++) {
        (void)snprintf(front->run_id + 2 * i, 3, "%02x", random[i]);
    }
    front->started_at_ms = clock_monotonic_ms();
    front->process_id = getpid();
    front->value_size_max = server->config.node.value_size_max;
    front->clients_max = server->config.connections_max;
    front->idle_timeout_ms = server->config.idle_timeout_ms;
    front->next_session_id = 1;
    front->data_directory = server->config.data_directory;
}

/* A cluster that has formed does not change by its list. Whoever tried should hear of it. */
static void compare_list(const struct server *server)
{
    const struct node_options *options = &server->config.node;
    struct node_status status;
    node_status(server->node, &status);
    bool is_same = status.peer_count == options->address_count;
    for (size_t i = 0; i < options->address_count && is_same; i++) {
        is_same = false;
        for (size_t j = 0; j < status.peer_count; j++) {
            is_same = is_same || strcmp(options->addresses[i], status.peers[j].address) == 0;
        }
    }
    if (!is_same) {
        log_event(LOG_WARN, "cluster_list_ignored", "members=%zu listed=%zu reason=\"%s\"",
                  status.peer_count, options->address_count,
                  "the cluster has formed with other members; they cannot be changed yet");
    }
}

static int start_node(struct server *server, char *error, size_t error_size)
{
    char path[sizeof server->config.data_directory + 8];
    (void)snprintf(path, sizeof path, "%s/db", server->config.data_directory);
    int result = rocks_open(path, &server->engine, error, error_size);
    if (result != Q_OK) {
        return result;
    }
    server->files = os_files_new(server->config.data_directory);
    server->env = (struct env){
        .context = server,
        .files = server->files,
        .engine = server->engine,
        .monotonic_ms = monotonic_ms,
        .wall_ms = wall_ms,
        .peer_begin = server_peer_begin,
        .peer_end = server_peer_end,
        .log_start = log_start,
    };
    struct node_options *options = &server->config.node;
    if (getrandom(&options->seed, sizeof options->seed, 0) != (ssize_t)sizeof options->seed) {
        /* Identities are drawn from it: two nodes with one seed would take each other's. */
        (void)snprintf(error, error_size, "the system has no random numbers");
        return Q_EIO;
    }
    return node_start(options, &server->env, &server->node, error, error_size);
}

static int open_everything(struct server *server, char *error, size_t error_size)
{
    int result =
        data_directory_open(server->config.data_directory, &server->directory, error, error_size);
    if (result != Q_OK) {
        return result;
    }
    server->has_directory = true;
    const struct loop_owner owner = {server, turn, next_deadline};
    server->loop = loop_new(&owner);
    const struct log_thread_owner log_owner = {server, execute_log_job, log_job_done};
    server->log_thread = log_thread_new(server->loop, &log_owner);
    result = start_node(server, error, error_size);
    if (result != Q_OK) {
        return result;
    }
    compare_list(server);
    fill_front(server);
    result = server_open_peers(server, error, error_size);
    if (result == Q_OK) {
        result = server_open_door(server, &server->resp, SESSION_RESP, error, error_size);
    }
    if (result == Q_OK) {
        result = server_open_door(server, &server->http, SESSION_HTTP, error, error_size);
    }
    if (result == Q_OK) {
        server->front.port = listener_port(server->resp.listener);
    }
    return result;
}

int server_new(const struct config *config,
               struct server **out_server,
               char *error,
               size_t error_size)
{
    struct server *server = heap_alloc(sizeof *server);
    server->config = *config;
    raise_descriptor_limit(&server->config);
    const int result = open_everything(server, error, error_size);
    if (result != Q_OK) {
        server_free(server);
        return result;
    }
    *out_server = server;
    return Q_OK;
}

void server_run(struct server *server, const struct server_hooks *hooks)
{
    server->hooks = *hooks;
    server_watch_signals(server);
    log_event(LOG_INFO, "serving", "version=%s pid=%ld node=%u resp=%s:%u http=%s:%u data=\"%s\"",
              QUORATE_VERSION, (long)getpid(), node_self(server->node), server->config.resp.host,
              listener_port(server->resp.listener), server->config.http.host,
              listener_port(server->http.listener), server->config.data_directory);
    notify_send("READY=1");
    loop_run(server->loop);
}

void server_free(struct server *server)
{
    if (server == NULL) {
        return;
    }
    server_close_handles(server);
    listener_close(server->resp.listener); /* Cancels what its sessions have in flight. */
    listener_close(server->http.listener);
    server_close_peers(server);
    int result = Q_OK;
    if (server->log_thread != NULL && log_thread_close(server->log_thread, &result)) {
        node_log_done(server->node, result);
    }
    node_free(server->node);
    server->node = NULL;
    if (server->engine != NULL) {
        if (server->engine->ops->flush(server->engine, true) != Q_OK) {
            log_event(LOG_WARN, "flush_failed", "reason=\"%s\"",
                      "the log will be replayed at the next start");
        }
        server->engine->ops->close(server->engine);
    }
    os_files_free(server->files);
    loop_free(server->loop);
    peer_input_free(server->peer_input);
    if (server->has_directory) {
        data_directory_close(&server->directory);
    }
    heap_free(server);
}
