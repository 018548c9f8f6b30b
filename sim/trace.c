#include "sim/trace.h"

#include "base/err.h"
#include "base/os/heap.h"
#include "node/peer_message.h"
#include "sim/world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* ---- what messages say ---- */

static const char *raft_name(enum raft_message_kind kind)
{
    static const char *const NAMES[] = {
        [RAFT_MSG_PRE_VOTE] = "pre-vote",
        [RAFT_MSG_PRE_VOTE_REPLY] = "pre-vote reply",
        [RAFT_MSG_VOTE] = "vote",
        [RAFT_MSG_VOTE_REPLY] = "vote reply",
        [RAFT_MSG_APPEND] = "append",
        [RAFT_MSG_APPEND_REPLY] = "append reply",
        [RAFT_MSG_HEARTBEAT] = "heartbeat",
        [RAFT_MSG_HEARTBEAT_REPLY] = "heartbeat reply",
        [RAFT_MSG_TIMEOUT_NOW] = "hand-over: stand for election now",
    };
    const size_t number = (size_t)kind;
    const bool is_known = number < sizeof NAMES / sizeof NAMES[0] && NAMES[number] != NULL;
    return is_known ? NAMES[number] : "message of an unknown kind";
}

static void describe_request(const struct raft_message *m, struct buf *out)
{
    if (m->kind == RAFT_MSG_PRE_VOTE || m->kind == RAFT_MSG_VOTE) {
        buf_append_format(out, " log ends at %" PRIu64 "/%" PRIu64 "%s", m->prev_index,
                          m->prev_term, m->forced ? ", told to by the leader" : "");
    } else if (m->kind == RAFT_MSG_APPEND) {
        buf_append_format(out, " prev %" PRIu64 "/%" PRIu64 " entries %u commit %" PRIu64,
                          m->prev_index, m->prev_term, m->entry_count, m->commit);
    } else if (m->kind == RAFT_MSG_HEARTBEAT) {
        buf_append_format(out, " commit %" PRIu64 " (leader's %" PRIu64 ")", m->commit, m->index);
    }
}

static void describe_reply(const struct raft_message *m, struct buf *out)
{
    if (m->kind == RAFT_MSG_PRE_VOTE_REPLY || m->kind == RAFT_MSG_VOTE_REPLY) {
        buf_append_text(out, m->reject ? " no" : " yes");
    } else if (m->kind == RAFT_MSG_APPEND_REPLY && m->reject) {
        buf_append_format(out, " refused after %" PRIu64 ", try %" PRIu64 "/%" PRIu64, m->index,
                          m->hint_index, m->hint_term);
    } else if (m->kind == RAFT_MSG_APPEND_REPLY) {
        buf_append_format(out, " has up to %" PRIu64, m->index);
    } else if (m->kind == RAFT_MSG_HEARTBEAT_REPLY && m->reject) {
        buf_append_text(out, " no");
    }
}

static void describe_raft(struct reader *r, struct buf *out)
{
    (void)read_u32(r); /* The group: there is one. */
    const struct bytes body = read_bytes(r, reader_left(r));
    const size_t count = raft_message_entry_count(body);
    struct raft_entry *entries = heap_alloc_raw((count + 1) * sizeof *entries);
    struct raft_message m;
    if (r->failed || raft_message_decode(body, &m, entries, count) != Q_OK) {
        buf_append_text(out, "malformed message of Raft");
    } else {
        buf_append_format(out, "%s term %" PRIu64, raft_name(m.kind), m.term);
        describe_request(&m, out);
        describe_reply(&m, out);
        if (m.context != 0) {
            buf_append_format(out, " read round %" PRIu64, m.context);
        }
    }
    heap_free(entries);
}

static void describe_forward(struct reader *r, struct buf *out)
{
    const uint64_t id = read_u64(r);
    const uint32_t left_ms = read_u32(r);
    buf_append_format(out, "forwards request %" PRIu64 " of %zu bytes, %u ms left", id,
                      reader_left(r), left_ms);
}

static void describe_forward_reply(struct reader *r, struct buf *out)
{
    static const char *const STATES[] = {"done", "not done, ask elsewhere", "refused"};
    const uint64_t id = read_u64(r);
    const uint8_t status = read_u8(r);
    buf_append_format(out, "answers request %" PRIu64 ": %s, %zu bytes", id,
                      status < sizeof STATES / sizeof STATES[0] ? STATES[status] : "?",
                      reader_left(r));
}

static void describe_chunk(struct reader *r, struct buf *out)
{
    struct snapshot_chunk chunk;
    snapshot_chunk_read(r, &chunk);
    buf_append_format(out,
                      "snapshot %" PRIu64 " part %u%s term %" PRIu64 " up to %" PRIu64 "/%" PRIu64
                      ", %zu bytes",
                      chunk.id, chunk.sequence, chunk.last ? ", the last," : "", chunk.term,
                      chunk.index, chunk.index_term, chunk.data.size);
}

static void describe_ack(struct reader *r, struct buf *out)
{
    struct snapshot_ack ack;
    snapshot_ack_read(r, &ack);
    buf_append_format(out, "snapshot %" PRIu64 " reply: ", ack.id);
    if (ack.status == SNAPSHOT_CONTINUE) {
        buf_append_format(out, "send part %u", ack.next_sequence);
    } else {
        buf_append_text(out, ack.status == SNAPSHOT_INSTALLED ? "installed" : "refused");
    }
}

static void describe_question(struct reader *r, struct buf *out)
{
    struct resume_question question;
    resume_question_read(r, &question);
    buf_append_format(out, "what do you know of me? I hold term %" PRIu64 ", log to %" PRIu64,
                      question.term, question.last_index);
}

static void describe_answer(struct reader *r, struct buf *out)
{
    struct resume_answer answer;
    resume_answer_read(r, &answer);
    buf_append_format(out, "I know of your start %" PRIu64 ", term %" PRIu64 ", log to %" PRIu64,
                      incarnation_count(answer.said.incarnation), answer.said.promise.term,
                      answer.said.promise.index);
}

void trace_describe(struct bytes body, struct buf *out)
{
    struct reader r = reader_of(body);
    struct peer_header header;
    peer_header_read(&r, &header);
    if (r.failed) {
        buf_append_format(out, "malformed message, %zu bytes", body.size);
    } else if (header.type == PEER_RAFT) {
        describe_raft(&r, out);
    } else if (header.type == PEER_FORWARD) {
        describe_forward(&r, out);
    } else if (header.type == PEER_FORWARD_REPLY) {
        describe_forward_reply(&r, out);
    } else if (header.type == PEER_SNAPSHOT_CHUNK) {
        describe_chunk(&r, out);
    } else if (header.type == PEER_SNAPSHOT_ACK) {
        describe_ack(&r, out);
    } else if (header.type == PEER_RESUME) {
        describe_question(&r, out);
    } else if (header.type == PEER_RESUME_ANSWER) {
        describe_answer(&r, out);
    } else if (header.type == PEER_HELLO) {
        buf_append_text(out, "hello");
    } else {
        buf_append_format(out, "message of type %d, %zu bytes", (int)header.type, body.size);
    }
}

/* ---- lines ---- */

static void print_time(uint64_t at_us)
{
    (void)printf("%12.3f ", (double)at_us / 1000.0);
}

void world_trace(const struct world *world, const char *format, ...)
{
    if (!world->options.verbose) {
        return;
    }
    print_time(world->now_us);
    va_list arguments;
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    (void)printf("\n");
}

void trace_message(const struct world *world,
                   node_id at,
                   const char *arrow,
                   node_id other,
                   struct bytes body,
                   const char *note)
{
    if (!world->options.verbose) {
        return;
    }
    struct buf text = {0};
    trace_describe(body, &text);
    const struct bytes said = buf_bytes(&text);
    world_trace(world, "node %u %s %u: %.*s%s", at, arrow, other, (int)said.size,
                (const char *)said.data, note);
    buf_deinit(&text);
}

/* ---- what lasts ---- */

/* When all links from the node deliver again; 0 when one of them does now. */
static uint64_t clogged_until(const struct world *world, node_id id)
{
    uint64_t until_us = UINT64_MAX;
    for (node_id peer = 1; peer <= world->options.node_count; peer++) {
        const uint64_t at_us = network_clogged_until(&world->network, id, peer);
        if (peer != id && at_us < until_us) {
            until_us = at_us;
        }
    }
    return until_us == UINT64_MAX || until_us <= world->now_us ? 0 : until_us;
}

static void end_by_time(const struct world *world, uint64_t *until_us, node_id id, const char *what)
{
    if (*until_us != 0 && *until_us <= world->now_us) {
        print_time(*until_us);
        (void)printf("node %u: %s\n", id, what);
        *until_us = 0;
    }
}

static const char PAUSE_ENDS[] = "goes on after standing still";
static const char SLOW_ENDS[] = "its disk is as fast as before";
static const char CLOG_ENDS[] = "its links deliver again";

void trace_ends(struct world *world)
{
    if (!world->options.verbose) {
        return;
    }
    for (node_id id = 1; id <= world->options.node_count; id++) {
        struct trace_host *said = &world->trace.hosts[id];
        end_by_time(world, &said->paused_until_us, id, PAUSE_ENDS);
        end_by_time(world, &said->slow_until_us, id, SLOW_ENDS);
        end_by_time(world, &said->clogged_until_us, id, CLOG_ENDS);
    }
}

/* Something that lasts until a time: its beginning, and its end when that came early. */
static void say_span(const struct world *world,
                     uint64_t *said_us,
                     uint64_t until_us,
                     node_id id,
                     const char *begins,
                     const char *ends)
{
    if (until_us == *said_us) {
        return;
    }
    if (until_us > 0) {
        world_trace(world, "node %u: %s until %.3f", id, begins, (double)until_us / 1000.0);
    } else {
        world_trace(world, "node %u: %s", id, ends);
    }
    *said_us = until_us;
}

/* Something that is on or off. */
static void say_flag(const struct world *world,
                     bool *said,
                     bool is_on,
                     node_id id,
                     const char *begins,
                     const char *ends)
{
    if (is_on != *said) {
        world_trace(world, "node %u: %s", id, is_on ? begins : ends);
        *said = is_on;
    }
}

static void say_disk(const struct world *world, const struct host *host, struct trace_host *said)
{
    const struct disk_faults *faults = disk_faults(host->disk);
    say_flag(world, &said->is_full, faults->full, host->id, "its disk is full",
             "its disk has space again");
    say_flag(world, &said->sync_fails, faults->sync_fails, host->id, "its next sync will fail",
             "no sync will fail any more");
    say_flag(world, &said->write_fails, faults->write_fails, host->id, "its next write will fail",
             "no write will fail any more");
    say_flag(world, &said->read_fails, faults->reads != READ_WORKS, host->id, "a read will fail",
             "no read will fail any more");
}

static void say_host(const struct world *world, const struct host *host, struct trace_host *said)
{
    const uint64_t now_us = world->now_us;
    const uint64_t slow_until_us = host->slow_until_us > now_us ? host->slow_until_us : 0;
    /* One that is starved stands still all the time; that is said once. */
    const bool pauses = host_is_paused(host) && host->starved_until_us <= now_us;
    say_span(world, &said->paused_until_us, pauses ? host->paused_until_us : 0, host->id,
             "stands still", PAUSE_ENDS);
    say_span(world, &said->slow_until_us, slow_until_us, host->id, "its disk is slow", SLOW_ENDS);
    say_span(world, &said->clogged_until_us, clogged_until(world, host->id), host->id,
             "its links hold everything back", CLOG_ENDS);
    say_disk(world, host, said);
    if (said->is_known && host->clock.wall_offset_ms != said->wall_offset_ms) {
        world_trace(world, "node %u: its wall clock jumps by %lld ms", host->id,
                    (long long)(host->clock.wall_offset_ms - said->wall_offset_ms));
    }
    said->wall_offset_ms = host->clock.wall_offset_ms;
    said->is_known = true;
}

void trace_changes(struct world *world)
{
    if (!world->options.verbose) {
        return;
    }
    for (node_id id = 1; id <= world->options.node_count; id++) {
        say_host(world, &world->hosts[id], &world->trace.hosts[id]);
        for (node_id to = 1; to <= world->options.node_count; to++) {
            bool *said = &world->trace.is_connected[id][to];
            if (to != id && network_is_connected(&world->network, id, to) != *said) {
                *said = !*said;
                world_trace(world, "connection of node %u to %u is %s", id, to,
                            *said ? "made" : "gone");
            }
        }
    }
}
