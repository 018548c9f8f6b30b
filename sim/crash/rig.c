#include "sim/crash/rig.h"

#include "base/check.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/os/heap.h"
#include "node/peer_message.h"

#include <inttypes.h>
#include <stdio.h>

#define STEP_MS           10
#define CANDIDATE_STEP_MS 50
#define PATIENCE_MS       20000
#define SETTLE_ROUNDS     10000

struct letter {
    struct list link;
    node_id from;
    node_id to;
    size_t size;
    uint8_t body[];
};

const struct raft *rig_raft(const struct rig *rig)
{
    return rig->node == NULL || node_cluster_id(rig->node) == 0 ? NULL : node_raft(rig->node);
}

const struct cluster_map *rig_map(const struct rig *rig)
{
    for (node_id id = 2; id <= rig->options.node_count; id++) {
        if (boot_is_done(&rig->peers[id].boot)) {
            return &rig->peers[id].boot.map;
        }
    }
    return NULL;
}

size_t rig_at(const struct rig *rig)
{
    return crash_machine_at(rig->machine);
}

static void post(struct rig *rig, node_id from, node_id to, struct bytes body)
{
    struct letter *letter = heap_alloc_raw(sizeof *letter + body.size);
    *letter = (struct letter){.from = from, .to = to, .size = body.size};
    memcpy(letter->body, body.data, body.size);
    const bool is_held = rig->holds_mail && to == RIG_SELF;
    list_append(is_held ? &rig->held_mail : &rig->mail, &letter->link);
}

/* ---- struct env ---- */

static uint64_t env_monotonic_ms(void *context)
{
    return ((const struct rig *)context)->now_ms;
}

static uint64_t env_wall_ms(void *context)
{
    return UINT64_C(1700000000000) + ((const struct rig *)context)->now_ms;
}

static struct buf *env_peer_begin(void *context, node_id to)
{
    struct rig *rig = context;
    Q_CHECK(to != RIG_SELF && to <= rig->options.node_count);
    if (rig->is_stopping) {
        return NULL;
    }
    buf_clear(&rig->outgoing);
    return &rig->outgoing;
}

static void env_peer_end(void *context, node_id to)
{
    struct rig *rig = context;
    const struct raft *raft = rig_raft(rig);
    const size_t at = rig_at(rig);
    if (raft != NULL && rig->identity.map.version == 0) {
        const int err = identity_load(rig->env.files, &rig->identity);
        Q_CHECK(err == Q_OK);
    }
    ledger_spoke(&rig->ledger, &rig->identity, raft != NULL, at);
    ledger_sent(&rig->ledger, raft, buf_bytes(&rig->outgoing), at);
    post(rig, RIG_SELF, to, buf_bytes(&rig->outgoing));
}

static void env_log_start(void *context)
{
    struct rig *rig = context;
    Q_CHECK(!rig->log_wanted && !rig->log_is_busy);
    rig->log_wanted = true;
    const struct raft *raft = rig_raft(rig);
    Q_CHECK(raft != NULL);
    ledger_job_begins(&rig->ledger, raft, rig_at(rig));
}

/* ---- peers ---- */

static void begin_body(struct buf *out, enum peer_message_type type, uint64_t incarnation)
{
    const struct peer_header header = {.type = type, .from_incarnation = incarnation};
    struct writer w = writer_of(buf_reserve(out, PEER_HEADER_SIZE), PEER_HEADER_SIZE);
    peer_header_write(&w, &header);
    Q_CHECK(!w.failed);
    buf_added(out, writer_size(&w));
}

static void say_hello(struct rig *rig, node_id from, node_id to, bool asks)
{
    struct buf body = {.start = 0};
    begin_body(&body, PEER_HELLO, rig->peers[from].incarnation);
    struct writer w = writer_of(buf_reserve(&body, BOOT_HELLO_SIZE_MAX), BOOT_HELLO_SIZE_MAX);
    boot_write_hello(&rig->peers[from].boot, asks, &w);
    Q_CHECK(!w.failed);
    buf_added(&body, writer_size(&w));
    post(rig, from, to, buf_bytes(&body));
    buf_deinit(&body);
}

static void do_boot_effects(struct rig *rig,
                            node_id self,
                            node_id from,
                            const struct boot_effects *effects)
{
    struct boot *boot = &rig->peers[self].boot;
    if (effects->store_map) {
        boot_map_stored(boot);
        ledger_peer_has_map(&rig->ledger, self, rig_at(rig));
    }
    for (size_t i = 0; i < effects->send_count; i++) {
        say_hello(rig, self, effects->send[i], true);
    }
    if (effects->reply) {
        say_hello(rig, self, from, false);
    }
}

void rig_say(struct rig *rig, const struct raft_message *message, const struct raft_entry *entries)
{
    struct buf body = {.start = 0};
    begin_body(&body, PEER_RAFT, rig->peers[message->from].incarnation);
    buf_append_uint(&body, CRASH_GROUP, 4);
    struct writer w = writer_of(buf_reserve(&body, RAFT_MESSAGE_SIZE_MAX), RAFT_MESSAGE_SIZE_MAX);
    raft_message_encode(message, &w);
    Q_CHECK(!w.failed);
    buf_added(&body, writer_size(&w));
    for (uint32_t i = 0; i < message->entry_count; i++) {
        w = writer_of(buf_reserve(&body, RAFT_ENTRY_HEADER_SIZE), RAFT_ENTRY_HEADER_SIZE);
        raft_entry_encode_header(&entries[i], &w);
        buf_added(&body, writer_size(&w));
        buf_append(&body, entries[i].payload);
    }
    post(rig, message->from, message->to, buf_bytes(&body));
    buf_deinit(&body);
}

void rig_say_chunk(struct rig *rig, node_id from, const struct snapshot_chunk *chunk)
{
    struct buf body = {.start = 0};
    begin_body(&body, PEER_SNAPSHOT_CHUNK, rig->peers[from].incarnation);
    struct writer w =
        writer_of(buf_reserve(&body, SNAPSHOT_CHUNK_HEADER_SIZE), SNAPSHOT_CHUNK_HEADER_SIZE);
    snapshot_chunk_write(&w, chunk);
    Q_CHECK(!w.failed);
    buf_added(&body, writer_size(&w));
    buf_append(&body, chunk->data);
    post(rig, from, RIG_SELF, buf_bytes(&body));
    buf_deinit(&body);
}

/* A follower's log check, without the log: it holds everything up to `held`. */
static struct raft_message answer_append(struct rig_peer *peer,
                                         const struct raft_message *message,
                                         const struct raft_entry *entries)
{
    struct raft_message reply = {.kind = RAFT_MSG_APPEND_REPLY};
    const raft_index last = message->prev_index + message->entry_count;
    if (message->prev_index > peer->held) {
        reply.index = message->prev_index;
        reply.reject = true;
        reply.hint_index = peer->held;
        reply.hint_term = peer->held_term;
        return reply;
    }
    if (last > peer->held) {
        peer->held = last;
        peer->held_term = entries[message->entry_count - 1].term;
    }
    reply.index = last;
    return reply;
}

static void peer_hears_raft(struct rig *rig, node_id self, struct bytes body)
{
    const size_t count = raft_message_entry_count(body);
    struct raft_entry *entries = heap_alloc_raw((count + 1) * sizeof *entries);
    struct raft_message message;
    const int err = raft_message_decode(body, &message, entries, count);
    Q_CHECK(err == Q_OK);
    struct raft_message reply = {.from = 0};
    switch (message.kind) {
    case RAFT_MSG_PRE_VOTE: reply.kind = RAFT_MSG_PRE_VOTE_REPLY; break;
    case RAFT_MSG_VOTE: reply.kind = RAFT_MSG_VOTE_REPLY; break;
    case RAFT_MSG_APPEND: reply = answer_append(&rig->peers[self], &message, entries); break;
    case RAFT_MSG_HEARTBEAT: reply.kind = RAFT_MSG_HEARTBEAT_REPLY; break;
    case RAFT_MSG_APPEND_REPLY: rig->acked = message.reject ? rig->acked : message.index; break;
    case RAFT_MSG_PRE_VOTE_REPLY:
    case RAFT_MSG_VOTE_REPLY:
    case RAFT_MSG_HEARTBEAT_REPLY:
    case RAFT_MSG_TIMEOUT_NOW: break;
    }
    heap_free(entries);
    if ((int)reply.kind != 0) {
        reply.from = self;
        reply.to = RIG_SELF;
        reply.term = message.term;
        reply.context = message.context;
        rig_say(rig, &reply, NULL);
    }
}

static void peer_hears_chunk(struct rig *rig, node_id self, struct reader *r)
{
    struct snapshot_chunk chunk;
    snapshot_chunk_read(r, &chunk);
    Q_CHECK(!r->failed);
    const struct snapshot_ack ack = {.group = chunk.group,
                                     .id = chunk.id,
                                     .next_sequence = chunk.sequence + 1,
                                     .status = chunk.last ? SNAPSHOT_INSTALLED : SNAPSHOT_CONTINUE};
    if (chunk.last) {
        rig->peers[self].held = chunk.index;
        rig->peers[self].held_term = chunk.index_term;
    }
    /* To this incarnation of the node only. */
    const struct peer_header header = {.type = PEER_SNAPSHOT_ACK,
                                       .from_incarnation = rig->peers[self].incarnation,
                                       .to_incarnation = rig->identity.incarnation};
    uint8_t body[PEER_HEADER_SIZE + SNAPSHOT_ACK_SIZE];
    struct writer w = writer_of(body, sizeof body);
    peer_header_write(&w, &header);
    snapshot_ack_write(&w, &ack);
    Q_CHECK(!w.failed);
    post(rig, self, RIG_SELF, bytes_of(body, sizeof body));
}

/* As the production node does: a sound crash state must never be taken for an old copy. */
static void peer_testifies(struct rig *rig, node_id self, uint64_t asker)
{
    const struct peer_header header = {.type = PEER_RESUME_ANSWER,
                                       .from_incarnation = rig->peers[self].incarnation,
                                       .to_incarnation = asker};
    const struct resume_answer answer = {
        .group = 1, .asker = asker, .said = witness_testify(&rig->peers[self].witness, asker)};
    uint8_t body[PEER_HEADER_SIZE + RESUME_ANSWER_SIZE];
    struct writer w = writer_of(body, sizeof body);
    peer_header_write(&w, &header);
    resume_answer_write(&w, &answer);
    Q_CHECK(!w.failed);
    post(rig, self, RIG_SELF, bytes_of(body, sizeof body));
}

static void peer_remembers(struct rig_peer *peer, uint64_t incarnation, struct bytes body)
{
    const size_t count = raft_message_entry_count(body);
    struct raft_entry *entries = heap_alloc_raw((count + 1) * sizeof *entries);
    struct raft_message message;
    struct witness_promise promise;
    witness_meet(&peer->witness, incarnation);
    if (raft_message_decode(body, &message, entries, count) == Q_OK &&
        witness_promise_of(&message, &promise)) {
        witness_hear(&peer->witness, promise);
    }
    heap_free(entries);
}

static void peer_hears(struct rig *rig, const struct letter *letter)
{
    struct rig_peer *peer = &rig->peers[letter->to];
    struct reader r = reader_of(bytes_of(letter->body, letter->size));
    struct peer_header header;
    peer_header_read(&r, &header);
    Q_CHECK(!r.failed);
    struct boot_effects effects;
    if (peer->is_mute) {
        return;
    }
    switch (header.type) {
    case PEER_HELLO:
        if (boot_receive(&peer->boot, rig->now_ms, read_bytes(&r, reader_left(&r)), &effects) ==
            Q_OK) {
            do_boot_effects(rig, letter->to, letter->from, &effects);
        }
        return;
    case PEER_RAFT:
        (void)read_u32(&r); /* The group. */
        peer_remembers(peer, header.from_incarnation, bytes_of(r.at, reader_left(&r)));
        peer_hears_raft(rig, letter->to, read_bytes(&r, reader_left(&r)));
        return;
    case PEER_RESUME: peer_testifies(rig, letter->to, header.from_incarnation); return;
    case PEER_SNAPSHOT_CHUNK: peer_hears_chunk(rig, letter->to, &r); return;
    case PEER_SNAPSHOT_ACK: snapshot_ack_read(&r, &rig->last_ack); return;
    case PEER_FORWARD:
    case PEER_FORWARD_REPLY:
    case PEER_RESUME_ANSWER: return;
    }
}

static void set_address(char out[NODE_ADDRESS_SIZE_MAX], node_id id)
{
    (void)snprintf(out, NODE_ADDRESS_SIZE_MAX, "10.0.0.%u:7482", id);
}

/* What a peer's own disk would hold. */
static void boot_peer(struct rig *rig, node_id id, const struct cluster_map *map)
{
    struct boot_config config = {.run = rig->options.seed * 100 + id,
                                 .nonce = rig->options.seed * 1000 + id + 1};
    char text[NODE_ADDRESS_SIZE_MAX];
    for (node_id i = 1; i <= rig->options.node_count; i++) {
        set_address(text, i);
        int err = cluster_address_set(&config.list.addresses[i - 1], bytes_of_text(text));
        Q_CHECK(err == Q_OK);
    }
    config.list.count = rig->options.node_count;
    config.self = config.list.addresses[id - 1];
    if (map != NULL) {
        config.map = *map;
    }
    char error[256];
    const int err = boot_init(&rig->peers[id].boot, &config, rig->now_ms, error, sizeof error);
    Q_CHECK(err == Q_OK);
}

void rig_peer_knows(struct rig *rig, node_id peer, const struct cluster_map *map)
{
    boot_peer(rig, peer, map);
    ledger_peer_has_map(&rig->ledger, peer, rig_at(rig));
}

/* ---- watching ---- */

/* The node has committed more than was known: it leads, or a leader told it. */
static void follow_commits(struct rig *rig, const struct raft *raft)
{
    while (crash_chain_last(rig->chain) < raft->commit_index) {
        const raft_index next = crash_chain_last(rig->chain) + 1;
        Q_CHECK(next > raft->log.start_index);
        crash_chain_append(rig->chain, raft_log_at(&raft->log, next));
    }
    ledger_committed(&rig->ledger, crash_chain_last(rig->chain), rig_at(rig));
}

static void look_at_state(struct rig *rig, const struct raft *raft)
{
    const raft_index applied = raft->applied_index;
    if (applied == rig->applied_seen || applied < rig->chain->before) {
        return;
    }
    const uint64_t hash = node_state_hash(rig->node);
    if (hash == 0) {
        return; /* A snapshot is being installed. */
    }
    rig->applied_seen = applied;
    if (hash != crash_chain_state_hash(rig->chain, applied)) {
        violation_report(&rig->violation, "state",
                         "after entry %" PRIu64 " the state is %016" PRIx64 ", not %016" PRIx64,
                         applied, hash, crash_chain_state_hash(rig->chain, applied));
    }
}

static void look(struct rig *rig)
{
    const char *error = NULL;
    if (node_health(rig->node, &error) != Q_OK) {
        if (rig->expects_failure) {
            return;
        }
        violation_report(&rig->violation, "health", "the node stops itself: %s", error);
        return;
    }
    const struct raft *raft = rig_raft(rig);
    if (raft == NULL) {
        return;
    }
    raft_check(raft);
    if (rig->chain != NULL) {
        follow_commits(rig, raft);
        look_at_state(rig, raft);
    }
}

/* ---- time and turns ---- */

static void deliver(struct rig *rig)
{
    struct list *link = list_first(&rig->mail);
    while (link != NULL) {
        struct letter *letter = LIST_ITEM(link, struct letter, link);
        list_remove(link);
        if (letter->to != RIG_SELF) {
            peer_hears(rig, letter);
        } else if (rig->node != NULL) {
            node_receive(rig->node, letter->from, node_cluster_id(rig->node),
                         bytes_of(letter->body, letter->size));
        }
        heap_free(letter);
        link = list_first(&rig->mail);
    }
}

static void turn(struct rig *rig)
{
    node_turn(rig->node);
    look(rig);
}

static void move_mail(struct list *from, struct list *to)
{
    struct list *link = list_first(from);
    while (link != NULL) {
        list_remove(link);
        list_append(to, link);
        link = list_first(from);
    }
}

/* What the log thread does; the node has a turn between write and sync. */
static void do_job(struct rig *rig)
{
    rig->log_wanted = false;
    rig->log_is_busy = true;
    int err = wal_job_write(node_wal(rig->node));
    Q_CHECK(err == Q_OK);
    move_mail(&rig->held_mail, &rig->mail);
    deliver(rig);
    turn(rig);
    err = wal_job_sync(node_wal(rig->node));
    Q_CHECK(err == Q_OK || rig->expects_failure);
    if (err == Q_OK) {
        ledger_confirmed(&rig->ledger, rig_at(rig));
    }
    rig->log_is_busy = false;
    node_log_done(rig->node, err);
}

void rig_settle(struct rig *rig)
{
    for (int i = 0; i < SETTLE_ROUNDS; i++) {
        deliver(rig);
        turn(rig);
        if (rig->violation.found) {
            return;
        }
        if (rig->log_wanted) {
            do_job(rig);
        } else if (list_is_empty(&rig->mail)) {
            return;
        }
    }
    violation_report(&rig->violation, "liveness", "the node never comes to rest");
}

static void tick_peers(struct rig *rig)
{
    for (node_id id = 2; id <= rig->options.node_count; id++) {
        struct boot *boot = &rig->peers[id].boot;
        if (!rig->peers[id].is_mute && boot_next_deadline(boot) <= rig->now_ms) {
            struct boot_effects effects;
            boot_tick(boot, rig->now_ms, &effects);
            do_boot_effects(rig, id, NODE_NONE, &effects);
        }
    }
}

void rig_advance(struct rig *rig, uint64_t ms)
{
    const uint64_t end_ms = rig->now_ms + ms;
    while (rig->now_ms < end_ms && !rig->violation.found) {
        rig->now_ms += end_ms - rig->now_ms < STEP_MS ? end_ms - rig->now_ms : STEP_MS;
        tick_peers(rig);
        rig_settle(rig);
    }
}

void rig_boot(struct rig *rig)
{
    const uint64_t end_ms = rig->now_ms + PATIENCE_MS;
    rig_settle(rig);
    while (rig_raft(rig) == NULL && rig->now_ms < end_ms && !rig->violation.found) {
        rig_advance(rig, STEP_MS);
    }
    if (rig_raft(rig) == NULL) {
        struct node_status status;
        node_status(rig->node, &status);
        violation_report(&rig->violation, "boot", "the node finds no cluster: %s",
                         status.waiting_for);
    }
}

void rig_elect(struct rig *rig)
{
    const uint64_t end_ms = rig->now_ms + PATIENCE_MS;
    const struct raft *raft = rig_raft(rig);
    Q_CHECK(raft != NULL);
    while ((raft->role != RAFT_LEADER || raft->applied_index < raft->term_start_index) &&
           rig->now_ms < end_ms && !rig->violation.found) {
        rig_advance(rig, CANDIDATE_STEP_MS);
    }
    if (raft->role != RAFT_LEADER || raft->applied_index < raft->term_start_index) {
        violation_report(&rig->violation, "liveness", "the node is not elected");
    }
}

/* ---- requests ---- */

static void request_done(struct node_request *request, struct bytes reply)
{
    struct rig_request *one = LIST_ITEM(request, struct rig_request, request);
    struct reader r = reader_of(reply);
    struct reply_item item;
    one->is_done = true;
    one->is_error = !reply_read(&r, &item) || item.kind == REPLY_ERROR;
}

void rig_submit_set(struct rig *rig, const char *key, struct bytes value)
{
    Q_CHECK(rig->request_count < RIG_REQUESTS_MAX);
    struct rig_request *one = &rig->requests[rig->request_count++];
    const struct bytes args[] = {bytes_of_text(key), value};
    *one = (struct rig_request){.is_done = false};
    one->request.request = (struct request){.op = OP_SET, .args = args, .arg_count = 2};
    one->request.timeout_ms = PATIENCE_MS;
    one->request.done = request_done;
    node_submit(rig->node, &one->request);
}

/* ---- life ---- */

void rig_init(struct rig *rig, const struct rig_options *options, struct crash_machine *machine)
{
    Q_CHECK(options->node_count >= 1 && options->node_count <= RIG_NODES_MAX);
    *rig = (struct rig){.options = *options, .now_ms = 1000, .machine = machine};
    rig->env = (struct env){.context = rig,
                            .files = crash_machine_files(machine),
                            .engine = crash_machine_engine(machine),
                            .monotonic_ms = env_monotonic_ms,
                            .wall_ms = env_wall_ms,
                            .peer_begin = env_peer_begin,
                            .peer_end = env_peer_end,
                            .log_start = env_log_start};
    list_init(&rig->mail);
    list_init(&rig->held_mail);
    ledger_init(&rig->ledger);
    for (node_id id = 2; id <= options->node_count; id++) {
        rig->peers[id].incarnation = 1;
        boot_peer(rig, id, NULL);
    }
}

static void drop_mail(struct rig *rig)
{
    move_mail(&rig->held_mail, &rig->mail);
    struct list *link = list_first(&rig->mail);
    while (link != NULL) {
        list_remove(link);
        heap_free(LIST_ITEM(link, struct letter, link));
        link = list_first(&rig->mail);
    }
}

void rig_deinit(struct rig *rig)
{
    rig_stop(rig);
    drop_mail(rig);
    buf_deinit(&rig->outgoing);
    ledger_deinit(&rig->ledger);
}

static void set_node_options(struct rig *rig, struct node_options *out)
{
    *out = (struct node_options){.address_count = rig->options.node_count,
                                 .heartbeat_ms = 50,
                                 .election_min_ms = 300,
                                 .election_max_ms = 600,
                                 .request_timeout_ms = 5000,
                                 .value_size_max = VALUE_SIZE_DEFAULT,
                                 .log_keep_bytes = rig->options.log_keep_bytes,
                                 .wal_segment_size = rig->options.wal_segment_size,
                                 .parked_max = RIG_REQUESTS_MAX,
                                 .seed = rig->options.seed * 1000003 + rig->starts};
    set_address(out->self, RIG_SELF);
    for (node_id id = 1; id <= rig->options.node_count; id++) {
        set_address(out->addresses[id - 1], id);
    }
}

bool rig_start(struct rig *rig)
{
    Q_CHECK(rig->node == NULL);
    rig->starts++;
    rig->log_wanted = false;
    rig->applied_seen = 0;
    rig->request_count = 0;
    struct node_options options;
    set_node_options(rig, &options);
    char error[512] = "";
    int err = node_start(&options, &rig->env, &rig->node, error, sizeof error);
    if (err != Q_OK) {
        rig->node = NULL;
        violation_report(&rig->violation, "start", "%s: %s", err_text(err), error);
        return false;
    }
    err = identity_load(rig->env.files, &rig->identity);
    if (err != Q_OK) {
        violation_report(&rig->violation, "identity", "a node runs without one: %s", err_text(err));
        return false;
    }
    for (node_id id = 2; id <= rig->options.node_count; id++) {
        node_peer_changed(rig->node, id, true);
    }
    return true;
}

void rig_stop(struct rig *rig)
{
    if (rig->node == NULL) {
        return;
    }
    rig->is_stopping = true;
    if (wal_in_flight(node_wal(rig->node))) {
        wal_job_end(node_wal(rig->node), Q_EIO);
    }
    node_free(rig->node);
    rig->node = NULL;
    rig->is_stopping = false;
    rig->log_wanted = false;
    rig->log_is_busy = false;
    drop_mail(rig);
    Q_CHECK(crash_machine_open_count(rig->machine) == 0);
}

static bool start_again(struct rig *rig)
{
    if (!rig_start(rig)) {
        return false;
    }
    ledger_confirmed(&rig->ledger, rig_at(rig));
    return true;
}

bool rig_restart(struct rig *rig)
{
    rig_stop(rig);
    const int err = rig->env.engine->ops->flush(rig->env.engine, true);
    Q_CHECK(err == Q_OK);
    return start_again(rig);
}

bool rig_kill(struct rig *rig)
{
    rig_stop(rig);
    crash_machine_kill(rig->machine);
    return start_again(rig);
}
