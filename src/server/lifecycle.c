/* How a running node is told things and how it stops.
 *
 * TERM or INT: leadership is handed over while everything is still served; then nothing more is
 * read, what was read is answered, and the loop ends. Each of the two has half of drain-ms. One who
 * was leader stays a moment longer, because the others still owe it the news: what they forwarded
 * to it must be answered, or their clients hear "outcome unknown". A second TERM or INT skips the
 * rest. HUP reloads, USR1 logs the state.
 */
#include "base/os/clock.h"
#include "base/os/log.h"
#include "server/notify.h"
#include "server/server_private.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define HOUSEKEEPING_MS 500
/* How many heartbeats a former leader stays: the new one has told everybody by then. */
#define STAY_HEARTBEATS 3
/* While stopping, how often to look whether the node is done; nothing announces that. */
#define STOP_LOOK_MS 10

static const int watched[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};

static void dump_state(struct server *server)
{
    struct node_status status;
    node_status(server->node, &status);
    log_event(LOG_INFO, "state",
              "node=%u role=%s leader=%u term=%llu commit=%llu applied=%llu first=%llu last=%llu "
              "waiting=%zu forwarded=%llu elections=%llu log_syncs=%llu log_disk_bytes=%llu",
              status.self, raft_role_name(status.role), status.leader,
              (unsigned long long)status.term, (unsigned long long)status.commit_index,
              (unsigned long long)status.applied_index, (unsigned long long)status.first_index,
              (unsigned long long)status.last_index, status.waiting,
              (unsigned long long)status.forwarded, (unsigned long long)status.elections,
              (unsigned long long)status.wal.syncs, (unsigned long long)status.wal.disk_bytes);
    for (size_t i = 0; i < status.peer_count; i++) {
        const struct node_peer_status *peer = &status.peers[i];
        const struct peer_link *link = server->links[peer->id];
        const struct peer_link_stats sent =
            link != NULL ? peer_link_stats(link) : (struct peer_link_stats){0};
        log_event(LOG_INFO, "state_peer",
                  "node=%u address=\"%s\" connected=%d heard=%d match=%llu sent=%llu dropped=%llu",
                  peer->id, peer->address, peer->connected, peer->heard,
                  (unsigned long long)peer->match_index, (unsigned long long)sent.messages,
                  (unsigned long long)sent.dropped);
    }
    const struct door *doors[] = {&server->resp, &server->http};
    for (size_t i = 0; i < 2; i++) {
        const struct listener_stats stats = listener_stats(doors[i]->listener);
        log_event(LOG_INFO, "state_clients",
                  "door=%s open=%zu accepted=%llu refused=%llu slow_closed=%llu silent_closed=%llu",
                  i == 0 ? "resp" : "http", stats.open, (unsigned long long)stats.accepted,
                  (unsigned long long)stats.refused, (unsigned long long)stats.slow_closed,
                  (unsigned long long)stats.silent_closed);
    }
}

static void start_draining(struct server *server, const struct node_status *status)
{
    server->stage = SERVER_DRAINING;
    if (server->was_leader && status->peer_count > 1) {
        server->stay_until_ms =
            clock_monotonic_ms() + (uint64_t)STAY_HEARTBEATS * server->config.node.heartbeat_ms;
    }
    listener_drain(server->resp.listener);
    listener_drain(server->http.listener);
}

static void start_stopping(struct server *server, int number)
{
    if (server->stage != SERVER_SERVING) {
        log_event(LOG_WARN, "stopping_at_once", "signal=%d", number);
        loop_stop(server->loop);
        return;
    }
    log_event(LOG_INFO, "stopping", "signal=%d drain_ms=%u", number, server->config.drain_ms);
    notify_send("STOPPING=1");
    const uint64_t now_ms = clock_monotonic_ms();
    server->stage = SERVER_RESIGNING;
    server->resign_until_ms = now_ms + server->config.drain_ms / 2;
    server->drain_until_ms = now_ms + server->config.drain_ms;
    struct node_status status;
    node_status(server->node, &status);
    server->was_leader = status.role == RAFT_LEADER;
    node_resign(server->node);
}

void server_advance_stop(struct server *server)
{
    if (server->stage == SERVER_SERVING) {
        return;
    }
    const uint64_t now_ms = clock_monotonic_ms();
    struct node_status status;
    node_status(server->node, &status);
    if (server->stage == SERVER_RESIGNING) {
        const bool is_alone = status.peer_count <= 1;
        const bool is_replaced = status.role != RAFT_LEADER && status.leader != NODE_NONE;
        if (is_alone || !server->was_leader || is_replaced || now_ms >= server->resign_until_ms) {
            start_draining(server, &status);
        }
        return;
    }
    const bool is_quiet = listener_stats(server->resp.listener).serving == 0 &&
                          listener_stats(server->http.listener).serving == 0 &&
                          status.waiting == 0 && now_ms >= server->stay_until_ms &&
                          !log_thread_is_busy(server->log_thread);
    if (is_quiet || now_ms >= server->drain_until_ms) {
        loop_stop(server->loop);
    }
}

uint64_t server_stop_deadline(const struct server *server)
{
    return server->stage == SERVER_SERVING ? LOOP_NO_DEADLINE : clock_monotonic_ms() + STOP_LOOK_MS;
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct server *server = handle->data;
    switch (number) {
    case SIGHUP: server->hooks.reload(server->hooks.context); break;
    case SIGUSR1: dump_state(server); break;
    default: start_stopping(server, number); break;
    }
}

static void tell_systemd(struct server *server)
{
    struct node_status status;
    node_status(server->node, &status);
    char text[sizeof server->status_text];
    if (status.booted) {
        (void)snprintf(text, sizeof text, "STATUS=node %u, %s, leader %u, term %llu", status.self,
                       raft_role_name(status.role), status.leader, (unsigned long long)status.term);
    } else {
        (void)snprintf(text, sizeof text, "STATUS=starting: %.480s", status.waiting_for);
    }
    if (strcmp(text, server->status_text) != 0) {
        (void)snprintf(server->status_text, sizeof server->status_text, "%s", text);
        notify_send(text);
    }
}

static void on_housekeeping(uv_timer_t *timer)
{
    struct server *server = timer->data;
    tell_systemd(server);
    const uint64_t now_ms = clock_monotonic_ms();
    if (server->watchdog_ms > 0 && now_ms >= server->watchdog_at_ms) {
        server->watchdog_at_ms = now_ms + server->watchdog_ms;
        notify_send("WATCHDOG=1");
    }
}

void server_watch_signals(struct server *server)
{
    (void)signal(SIGPIPE, SIG_IGN);
    uv_loop_t *uv = loop_uv(server->loop);
    for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++) {
        (void)uv_signal_init(uv, &server->signals[i]);
        server->signals[i].data = server;
        (void)uv_signal_start(&server->signals[i], on_signal, watched[i]);
    }
    server->watchdog_ms = notify_watchdog_ms();
    uint64_t every_ms = HOUSEKEEPING_MS;
    if (server->watchdog_ms > 0 && server->watchdog_ms < every_ms) {
        every_ms = server->watchdog_ms;
    }
    (void)uv_timer_init(uv, &server->housekeeping);
    server->housekeeping.data = server;
    (void)uv_timer_start(&server->housekeeping, on_housekeeping, 0, every_ms);
    server->has_handles = true;
}

void server_close_handles(struct server *server)
{
    if (!server->has_handles) {
        return;
    }
    server->has_handles = false;
    for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++) {
        uv_close((uv_handle_t *)&server->signals[i], NULL);
    }
    uv_close((uv_handle_t *)&server->housekeeping, NULL);
}
