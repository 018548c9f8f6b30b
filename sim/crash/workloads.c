#include "sim/crash/workloads.h"

#include "base/check.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/os/heap.h"

#include <stdio.h>

#define LEADER      ((node_id)2)
#define RIVAL       ((node_id)3)
#define FLUSH_EVERY 3 /* Engine batches. */
#define HLC_FIRST   (UINT64_C(1700000000000) << HLC_COUNTER_BITS)
#define HLC_STEP    (UINT64_C(1) << HLC_COUNTER_BITS)
#define VALUE_MAX   8192

/* ---- the scripted leader ---- */

/* Adds an entry to the leader's log: a write to one of a few keys, or a no-op when `size` is 0. */
static void script_entry(struct crash_run *run, raft_term term, size_t size)
{
    Q_CHECK(run->entry_count < CRASH_ENTRIES_MAX && size <= VALUE_MAX);
    struct raft_entry *entry = &run->entries[run->entry_count++];
    *entry =
        (struct raft_entry){.term = term,
                            .hlc = HLC_FIRST + term * 1000 * HLC_STEP + run->entry_count * HLC_STEP,
                            .kind = size == 0 ? RAFT_ENTRY_NOOP : RAFT_ENTRY_COMMAND};
    if (size == 0) {
        return;
    }
    uint8_t value[VALUE_MAX];
    for (size_t i = 0; i < size; i++) {
        value[i] = (uint8_t)('a' + (i + run->entry_count) % 26);
    }
    char key[16];
    (void)snprintf(key, sizeof key, "%c%zu", "asl"[run->entry_count % 3], run -> entry_count % 2);
    const struct bytes args[] = {bytes_of_text(key), bytes_of(value, size)};
    /* Most are not idempotent: applying one twice must show. Some are protected by an id. */
    static const enum op OPS[] = {OP_APPEND, OP_SET, OP_RPUSH};
    struct request request = {.op = OPS[run->entry_count % 3], .args = args, .arg_count = 2};
    char id[48];
    if (run->entry_count % 4 == 0) {
        (void)snprintf(id, sizeof id, "%llu-a%zu",
                       (unsigned long long)(entry->hlc >> HLC_COUNTER_BITS), run->entry_count);
        request.request_id = bytes_of_text(id);
    }
    const size_t encoded = request_encoded_size(&request);
    uint8_t *payload = heap_alloc_raw(encoded);
    struct writer w = writer_of(payload, encoded);
    request_encode(&request, &w);
    Q_CHECK(!w.failed);
    entry->payload = bytes_of(payload, encoded);
}

static size_t small_size(struct crash_run *run)
{
    return (size_t)prng_between(&run->prng, 8, 60);
}

/* Forgets the entries of the leader's log after `index`. */
static void script_cut(struct crash_run *run, raft_index index)
{
    while (run->entry_count > index) {
        struct raft_entry *entry = &run->entries[--run->entry_count];
        heap_free((void *)(uintptr_t)entry->payload.data);
    }
}

static raft_term term_of(const struct crash_run *run, raft_index index)
{
    return index == 0 ? 0 : run->entries[index - 1].term;
}

/* The leader says that entries up to `commit` are committed. */
static void script_commit(struct crash_run *run, raft_index commit)
{
    while (crash_chain_last(&run->chain) < commit) {
        crash_chain_append(&run->chain, &run->entries[crash_chain_last(&run->chain)]);
    }
    ledger_committed(&run->rig.ledger, commit, rig_at(&run->rig));
}

/* Sends the entries after `prev` up to `last`, without letting anything happen yet. */
static void script_post(struct crash_run *run,
                        node_id leader,
                        raft_term term,
                        raft_index prev,
                        raft_index last,
                        raft_index commit)
{
    script_commit(run, commit);
    const struct raft_message message = {.kind = RAFT_MSG_APPEND,
                                         .from = leader,
                                         .to = RIG_SELF,
                                         .term = term,
                                         .prev_index = prev,
                                         .prev_term = term_of(run, prev),
                                         .commit = commit,
                                         .entry_count = (uint32_t)(last - prev)};
    rig_say(&run->rig, &message, &run->entries[prev]);
}

/* Sends everything the leader has after `prev`; all but the last `open` entries are committed. */
static void script_send(struct crash_run *run, raft_term term, raft_index prev, raft_index open)
{
    script_post(run, LEADER, term, prev, run->entry_count, run->entry_count - open);
    rig_settle(&run->rig);
}

/* `count` entries, each sent and committed on its own, small. */
static void script_many(struct crash_run *run, raft_term term, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        script_entry(run, term, small_size(run));
        script_send(run, term, run->entry_count - 1, 1);
    }
}

/* A node of a booted cluster that follows the leader of term 1. */
static void follow_from_boot(struct crash_run *run)
{
    if (!rig_start(&run->rig)) {
        return;
    }
    rig_boot(&run->rig);
    script_entry(run, 1, 0);
    script_send(run, 1, 0, 0);
}

static void begin(struct crash_run *run)
{
    run->first = rig_at(&run->rig);
}

/* ---- workloads of any node ---- */

static void run_first_boot(struct crash_run *run)
{
    begin(run);
    if (!rig_start(&run->rig)) {
        return;
    }
    rig_boot(&run->rig);
    rig_advance(&run->rig, 50);
    script_entry(run, 1, 0);
    script_entry(run, 1, small_size(run));
    script_send(run, 1, 0, 0);
}

static void run_first_boot_alone(struct crash_run *run)
{
    begin(run);
    if (!rig_start(&run->rig)) {
        return;
    }
    rig_boot(&run->rig);
    rig_elect(&run->rig);
    rig_submit_set(&run->rig, "key", bytes_of_text("value"));
    rig_settle(&run->rig);
}

/* The identity is written anew at each start. */
static void run_restart(struct crash_run *run)
{
    follow_from_boot(run);
    begin(run);
    for (size_t i = 0; i < 4; i++) {
        script_many(run, 1, 2);
        if (!rig_restart(&run->rig)) {
            return;
        }
        rig_advance(&run->rig, 20);
    }
}

/* ---- workloads of a follower ---- */

static void run_append(struct crash_run *run)
{
    follow_from_boot(run);
    begin(run);
    script_many(run, 1, 12);
}

static void post_vote_request(struct crash_run *run,
                              enum raft_message_kind kind,
                              node_id from,
                              raft_term term)
{
    const struct raft_message message = {.kind = kind,
                                         .from = from,
                                         .to = RIG_SELF,
                                         .term = term,
                                         .prev_index = run->entry_count,
                                         .prev_term = term_of(run, run->entry_count)};
    rig_say(&run->rig, &message, NULL);
}

static void ask_for_vote(struct crash_run *run,
                         enum raft_message_kind kind,
                         node_id from,
                         raft_term term)
{
    post_vote_request(run, kind, from, term);
    rig_settle(&run->rig);
}

static void run_vote(struct crash_run *run)
{
    follow_from_boot(run);
    script_many(run, 1, 2);
    begin(run);
    /* The leader falls silent for as long as votes are not refused. */
    run->rig.now_ms += 299;
    for (raft_term term = 2; term < 8; term++) {
        run->rig.now_ms += 1;
        ask_for_vote(run, RAFT_MSG_PRE_VOTE, term % 2 == 0 ? LEADER : RIVAL, term);
        ask_for_vote(run, RAFT_MSG_VOTE, term % 2 == 0 ? LEADER : RIVAL, term);
        ask_for_vote(run, RAFT_MSG_VOTE, term % 2 == 0 ? RIVAL : LEADER, term);
    }
    script_entry(run, 8, 0);
    script_send(run, 8, run->entry_count - 1, 0);
}

static void run_term_bump(struct crash_run *run)
{
    follow_from_boot(run);
    begin(run);
    for (raft_term term = 2; term < 10; term++) {
        const struct raft_message message = {.kind = RAFT_MSG_HEARTBEAT,
                                             .from = term % 2 == 0 ? RIVAL : LEADER,
                                             .to = RIG_SELF,
                                             .term = term};
        rig_say(&run->rig, &message, NULL);
        rig_settle(&run->rig);
        if (term % 3 == 0) {
            script_entry(run, term, 0);
            script_post(run, message.from, term, run->entry_count - 1, run->entry_count,
                        run->entry_count - 1);
            rig_settle(&run->rig);
        }
    }
}

/* Leaders of later terms replace the uncommitted tail again and again, with longer and shorter
 * ones; some come while the one before is still being written. */
static void run_truncate(struct crash_run *run)
{
    follow_from_boot(run);
    script_many(run, 1, 2);
    begin(run);
    const raft_index committed = run->entry_count;
    static const size_t LENGTHS[] = {4, 2, 6, 1, 3, 5};
    raft_term term = 1;
    for (size_t i = 0; i < sizeof LENGTHS / sizeof LENGTHS[0]; i++) {
        term++;
        script_cut(run, committed);
        for (size_t n = 0; n < LENGTHS[i]; n++) {
            script_entry(run, term, small_size(run));
        }
        run->rig.holds_mail = i % 3 == 2;
        script_post(run, i % 2 == 0 ? LEADER : RIVAL, term, committed, run->entry_count, committed);
        run->rig.holds_mail = false;
        if (i % 3 != 1) {
            rig_settle(&run->rig);
        }
    }
    script_send(run, term, run->entry_count, 0);
}

/* Votes and entries that arrive while a log job is being written: they wait for the next one. */
static void run_in_flight(struct crash_run *run)
{
    follow_from_boot(run);
    script_many(run, 1, 2);
    begin(run);
    run->rig.now_ms += 300; /* From here on votes are not refused. */
    for (raft_term term = 2; term < 6; term++) {
        script_entry(run, term, small_size(run));
        script_entry(run, term, small_size(run));
        script_post(run, LEADER, term, run->entry_count - 2, run->entry_count - 1,
                    run->entry_count - 2);
        run->rig.holds_mail = true;
        script_post(run, LEADER, term, run->entry_count - 1, run->entry_count,
                    run->entry_count - 2);
        run->rig.holds_mail = false;
        rig_settle(&run->rig);
        run->rig.now_ms += 300;
    }
    post_vote_request(run, RAFT_MSG_VOTE, RIVAL, 6);
    run->rig.holds_mail = true;
    post_vote_request(run, RAFT_MSG_VOTE, LEADER, 7);
    post_vote_request(run, RAFT_MSG_VOTE, RIVAL, 8);
    run->rig.holds_mail = false;
    rig_settle(&run->rig);
}

/* The disk fails a sync: the node stops, and the next process finds in the page cache what will
 * never be on the platter unless it is written again. */
static void run_failed_sync(struct crash_run *run)
{
    follow_from_boot(run);
    begin(run);
    for (size_t i = 0; i < 3; i++) {
        script_many(run, 1, 2);
        script_entry(run, 1, small_size(run));
        crash_machine_fail_sync(run->machine);
        run->rig.expects_failure = true;
        script_send(run, 1, run->entry_count - 1, 1);
        run->rig.expects_failure = false;
        if (!rig_kill(&run->rig)) {
            return;
        }
        rig_advance(&run->rig, 20);
        script_send(run, 1, run->entry_count, 0);
    }
}

/* Batches of every size around that of a segment: exactly full, one sector over, several segments
 * in one batch. */
static void run_rollover(struct crash_run *run)
{
    follow_from_boot(run);
    begin(run);
    static const size_t SIZES[] = {900, 400, 300, 850, 30, 2900, 10, 1700, 300, 300};
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        script_entry(run, 1, SIZES[i] + (size_t)prng_below(&run->prng, 30));
        script_send(run, 1, run->entry_count - 1, 1);
    }
}

/* The log is kept short: segments are released, recycled and removed. */
static void run_compaction(struct crash_run *run)
{
    follow_from_boot(run);
    script_many(run, 1, 3);
    begin(run);
    for (size_t i = 0; i < 14; i++) {
        script_entry(run, 1, 200 + (size_t)prng_below(&run->prng, 200));
        script_send(run, 1, run->entry_count - 1, 0);
        run->rig.now_ms += 101; /* The node looks at its log's size ten times a second. */
    }
}

/* Nothing is kept that is persistent: whole segments go as soon as they are full. */
static void run_compaction_of_all(struct crash_run *run)
{
    follow_from_boot(run);
    begin(run);
    for (size_t i = 0; i < 12; i++) {
        script_entry(run, 1, 100 + (size_t)prng_below(&run->prng, 400));
        script_send(run, 1, run->entry_count - 1, 0);
        rig_advance(&run->rig, i % 3 == 0 ? 310 : 30);
    }
}

/* ---- snapshots ---- */

/* The state after entry `index` as a leader sends it: records of the group, its number cut off. */
static void stream_state(const struct crash_run *run, raft_index index, struct buf *out)
{
    struct engine *state = crash_chain_at(&run->chain, index)->state;
    struct engine_iterator *iterator =
        state->ops->iterator_new(state, NULL, bytes_of("", 0), bytes_of("", 0));
    while (state->ops->iterator_next(iterator)) {
        const struct bytes key = state->ops->iterator_key(iterator);
        const struct bytes value = state->ops->iterator_value(iterator);
        buf_append_uint(out, key.size - 4, 4);
        buf_append_uint(out, value.size, 4);
        buf_append(out, bytes_of(key.data + 4, key.size - 4));
        buf_append(out, value);
    }
    state->ops->iterator_free(iterator);
}

struct stream {
    node_id from;
    raft_term term;
    uint64_t id;
    raft_index index;
    uint32_t parts;      /* It is sent in so many ... */
    uint32_t parts_sent; /* ... of which the first so many are. */
};

/* Where the record ends that byte `wanted` of a stream lies in: parts hold whole records. */
static size_t record_end(struct bytes all, size_t wanted)
{
    struct reader r = reader_of(all);
    while (all.size - reader_left(&r) < wanted && reader_left(&r) > 0) {
        const uint32_t key_size = read_u32(&r);
        const uint32_t value_size = read_u32(&r);
        (void)read_bytes(&r, key_size);
        (void)read_bytes(&r, value_size);
        Q_CHECK(!r.failed);
    }
    return all.size - reader_left(&r);
}

/* Sends (a part of) a snapshot of the leader's state as of `index`, part by part. */
static void send_stream(struct crash_run *run, const struct stream *stream)
{
    script_commit(run, stream->index);
    struct buf all = {.start = 0};
    stream_state(run, stream->index, &all);
    const struct bytes bytes = buf_bytes(&all);
    const size_t size = bytes.size / stream->parts + 1;
    uint64_t checksum = 0;
    size_t at = 0;
    for (uint32_t i = 0; i < stream->parts_sent && !run->rig.violation.found; i++) {
        const size_t end = record_end(bytes, size * (i + 1));
        struct snapshot_chunk chunk = {.group = CRASH_GROUP,
                                       .term = stream->term,
                                       .id = stream->id,
                                       .index = stream->index,
                                       .index_term = term_of(run, stream->index),
                                       .sequence = i,
                                       .last = i + 1 == stream->parts,
                                       .data = bytes_of(bytes.data + at, end - at)};
        at = end;
        checksum = hash_bytes_seeded(chunk.data, checksum);
        chunk.checksum = checksum;
        rig_say_chunk(&run->rig, stream->from, &chunk);
        rig_settle(&run->rig);
    }
    buf_deinit(&all);
}

/* Sends all of it and lets it be installed, which takes some turns. */
static void install(struct crash_run *run, const struct stream *stream)
{
    send_stream(run, stream);
    rig_advance(&run->rig, 50);
}

/* The leader's log goes on without this node. */
static void script_elsewhere(struct crash_run *run, raft_term term, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        script_entry(run, term, small_size(run));
    }
    script_commit(run, run->entry_count);
}

static void run_snapshot(struct crash_run *run)
{
    follow_from_boot(run);
    script_many(run, 1, 3);
    script_elsewhere(run, 1, 8);
    begin(run);
    const struct stream stream = {
        .from = LEADER, .term = 1, .id = 1, .index = run->entry_count, .parts = 4, .parts_sent = 4};
    install(run, &stream);
    script_many(run, 1, 3);
}

/* It replaces a log whose tail conflicts with it; and one comes that ends within a log which goes
 * on after it. */
static void run_snapshot_over_log(struct crash_run *run)
{
    follow_from_boot(run);
    script_many(run, 1, 2);
    begin(run);
    const raft_index committed = run->entry_count;
    for (size_t i = 0; i < 5; i++) {
        script_entry(run, 2, small_size(run));
    }
    script_post(run, RIVAL, 2, committed, run->entry_count, committed);
    rig_settle(&run->rig);
    script_cut(run, committed);
    script_elsewhere(run, 3, 3);
    struct stream stream = {
        .from = LEADER, .term = 3, .id = 1, .index = run->entry_count, .parts = 3, .parts_sent = 3};
    install(run, &stream);
    for (size_t i = 0; i < 6; i++) {
        script_entry(run, 3, small_size(run));
    }
    script_post(run, LEADER, 3, stream.index, run->entry_count, stream.index);
    rig_settle(&run->rig);
    stream.index += 3;
    stream.id = 2;
    install(run, &stream);
    script_send(run, 3, run->entry_count, 0);
    script_many(run, 3, 1);
}

/* A stream that breaks off, one from a new leader, and another shortly after. */
static void run_snapshot_again(struct crash_run *run)
{
    follow_from_boot(run);
    script_many(run, 1, 2);
    script_elsewhere(run, 1, 5);
    begin(run);
    struct stream stream = {
        .from = LEADER, .term = 1, .id = 1, .index = run->entry_count, .parts = 5, .parts_sent = 3};
    send_stream(run, &stream);
    script_elsewhere(run, 2, 2);
    stream = (struct stream){
        .from = RIVAL, .term = 2, .id = 7, .index = run->entry_count, .parts = 2, .parts_sent = 2};
    install(run, &stream);
    script_elsewhere(run, 2, 3);
    stream.id = 8;
    stream.index = run->entry_count;
    send_stream(run, &stream);
    /* While it is being installed the log stands still, whatever is sent. */
    script_entry(run, 2, small_size(run));
    script_post(run, RIVAL, 2, stream.index, run->entry_count, stream.index);
    script_post(run, RIVAL, 2, stream.index - 3, stream.index - 1, stream.index - 1);
    rig_settle(&run->rig);
    rig_advance(&run->rig, 50);
    script_post(run, RIVAL, 2, stream.index, run->entry_count, run->entry_count);
    rig_settle(&run->rig);
}

/* ---- workloads of a leader ---- */

static bool lead_from_boot(struct crash_run *run)
{
    if (!rig_start(&run->rig)) {
        return false;
    }
    rig_boot(&run->rig);
    rig_elect(&run->rig);
    return !run->rig.violation.found;
}

static void submit(struct crash_run *run, size_t count, size_t size)
{
    uint8_t value[VALUE_MAX];
    memset(value, 'v', sizeof value);
    for (size_t i = 0; i < count; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "key%zu", i % 5);
        rig_submit_set(&run->rig, key, bytes_of(value, size));
    }
    rig_settle(&run->rig);
}

/* Its own candidacies: some are not answered. */
static void run_election(struct crash_run *run)
{
    if (!rig_start(&run->rig)) {
        return;
    }
    rig_boot(&run->rig);
    begin(run);
    rig_elect(&run->rig);
    for (int i = 0; i < 2; i++) {
        submit(run, 1, small_size(run));
        for (node_id peer = 2; peer <= RIG_NODES_MAX; peer++) {
            run->rig.peers[peer].is_mute = true;
        }
        submit(run, 2, small_size(run)); /* Is not committed while it leads this time. */
        rig_advance(&run->rig, 2000);
        for (node_id peer = 2; peer <= RIG_NODES_MAX; peer++) {
            run->rig.peers[peer].is_mute = false;
        }
        rig_elect(&run->rig);
    }
}

static void run_group_commit(struct crash_run *run)
{
    if (!lead_from_boot(run)) {
        return;
    }
    begin(run);
    for (size_t i = 0; i < 5; i++) {
        submit(run, 2 + 2 * i, 20 + small_size(run));
    }
}

static void run_group_commit_alone(struct crash_run *run)
{
    run_group_commit(run);
}

/* A leader that compacts its log while a follower is away, then brings it back by snapshot. */
static void run_snapshot_send(struct crash_run *run)
{
    if (!lead_from_boot(run)) {
        return;
    }
    run->rig.peers[RIVAL].is_mute = true;
    begin(run);
    for (size_t i = 0; i < 8; i++) {
        submit(run, 1, 300 + small_size(run));
        rig_advance(&run->rig, 101);
    }
    run->rig.peers[RIVAL].is_mute = false;
    rig_advance(&run->rig, 500);
    submit(run, 2, small_size(run));
}

/* ---- the table ---- */

#define SEGMENT 4096
#define KEEP    ((uint64_t)1 << 20)

const struct crash_workload CRASH_WORKLOADS[] = {
    {"first_boot", "nonce, hellos, map, first entries", 3, SEGMENT, KEEP, run_first_boot},
    {"first_boot_alone", "the same in a cluster of one", 1, SEGMENT, KEEP, run_first_boot_alone},
    {"restart", "clean restarts: the identity is rewritten", 3, SEGMENT, KEEP, run_restart},
    {"append", "a follower, an entry a batch", 3, SEGMENT, KEEP, run_append},
    {"group_commit", "a leader, several entries a batch", 3, 8192, KEEP, run_group_commit},
    {"group_commit_alone", "the same in a cluster of one", 1, 8192, KEEP, run_group_commit_alone},
    {"vote", "votes and pre-votes asked for in six terms", 3, SEGMENT, KEEP, run_vote},
    {"term_bump", "leaders of ever higher terms", 3, SEGMENT, KEEP, run_term_bump},
    {"election", "candidacies and lost leaderships", 3, SEGMENT, KEEP, run_election},
    {"truncate", "tails replaced by later leaders", 3, SEGMENT, KEEP, run_truncate},
    {"in_flight", "votes and entries during log jobs", 3, SEGMENT, KEEP, run_in_flight},
    {"failed_sync", "a failed sync, and the next process", 3, SEGMENT, KEEP, run_failed_sync},
    {"rollover", "batches of all sizes around a segment's", 3, 2048, KEEP, run_rollover},
    {"compaction", "segments released, recycled, removed", 3, 1536, 1200, run_compaction},
    {"compaction_of_all", "nothing is kept that is persistent", 3, 1536, 64, run_compaction_of_all},
    {"snapshot", "received in four parts and installed", 3, SEGMENT, KEEP, run_snapshot},
    {"snapshot_over_log", "over a conflicting tail; within the log", 3, SEGMENT, KEEP,
     run_snapshot_over_log},
    {"snapshot_again", "broken off, from another leader, once more", 3, SEGMENT, KEEP,
     run_snapshot_again},
    {"snapshot_send", "a leader that compacts and sends one", 3, 2048, 1200, run_snapshot_send},
};
const size_t CRASH_WORKLOAD_COUNT = sizeof CRASH_WORKLOADS / sizeof CRASH_WORKLOADS[0];

const struct crash_workload *crash_workload_find(const char *name)
{
    for (size_t i = 0; i < CRASH_WORKLOAD_COUNT; i++) {
        if (strcmp(CRASH_WORKLOADS[i].name, name) == 0) {
            return &CRASH_WORKLOADS[i];
        }
    }
    return NULL;
}

void crash_workload_init(struct crash_run *run,
                         const struct crash_workload *workload,
                         uint64_t seed)
{
    memset(run, 0, sizeof *run);
    prng_init(&run->prng, seed);
    struct tape tape;
    tape_init(&tape);
    run->machine = crash_machine_new(&tape, FLUSH_EVERY);
    const struct rig_options options = {.node_count = workload->node_count,
                                        .seed = seed,
                                        .wal_segment_size = workload->wal_segment_size,
                                        .log_keep_bytes = workload->log_keep_bytes};
    rig_init(&run->rig, &options, run->machine);
    crash_chain_init(&run->chain);
    run->rig.chain = &run->chain;
    workload->run(run);
}

void crash_workload_deinit(struct crash_run *run)
{
    script_cut(run, 0);
    rig_deinit(&run->rig);
    crash_chain_deinit(&run->chain);
    crash_machine_free(run->machine);
}
