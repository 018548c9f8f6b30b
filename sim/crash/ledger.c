#include "sim/crash/ledger.h"

#include "base/check.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/os/heap.h"
#include "node/peer_message.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- versions ---- */

uint64_t ledger_entry_hash(const struct raft_entry *entry)
{
    const uint64_t numbers[3] = {entry->term, entry->hlc, (uint64_t)entry->kind};
    return hash_bytes_seeded(entry->payload, hash_bytes(bytes_of(numbers, sizeof numbers)));
}

static struct ledger_version *add_version(struct ledger *ledger)
{
    const size_t count = ledger->version_count + 1;
    ledger->versions = heap_realloc(ledger->versions, count * sizeof *ledger->versions);
    struct ledger_version *version = &ledger->versions[count - 1];
    *version = (struct ledger_version){.confirmed_at = LEDGER_NEVER};
    ledger->version_count = count;
    return version;
}

static void copy_version(struct ledger_version *out, const struct ledger_version *from)
{
    *out = *from;
    out->terms = heap_alloc((from->count + 1) * sizeof *out->terms);
    out->hashes = heap_alloc((from->count + 1) * sizeof *out->hashes);
    if (from->count > 0) {
        memcpy(out->terms, from->terms, from->count * sizeof *out->terms);
        memcpy(out->hashes, from->hashes, from->count * sizeof *out->hashes);
    }
}

/* The entries up to `last` of raft's log. */
static void set_log(struct ledger_version *version, const struct raft *raft, raft_index last)
{
    const struct raft_log *log = &raft->log;
    version->start_index = log->start_index;
    version->start_term = log->start_term;
    version->count = (size_t)(last - log->start_index);
    version->terms = heap_alloc((version->count + 1) * sizeof *version->terms);
    version->hashes = heap_alloc((version->count + 1) * sizeof *version->hashes);
    for (size_t i = 0; i < version->count; i++) {
        const struct raft_entry *entry = raft_log_at(log, log->start_index + 1 + i);
        version->terms[i] = entry->term;
        version->hashes[i] = ledger_entry_hash(entry);
    }
}

static bool same_log(const struct ledger_version *version, const struct raft *raft)
{
    const struct raft_log *log = &raft->log;
    if (version->start_index != log->start_index || version->start_term != log->start_term ||
        version->count != log->last_index - log->start_index) {
        return false;
    }
    for (size_t i = 0; i < version->count; i++) {
        if (version->hashes[i] != ledger_entry_hash(raft_log_at(log, log->start_index + 1 + i))) {
            return false;
        }
    }
    return true;
}

/* The term of an index in a version; 0 when it is not there. */
static raft_term term_at(const struct ledger_version *version, raft_index index)
{
    if (index == version->start_index) {
        return version->start_term;
    }
    if (index < version->start_index || index > version->start_index + version->count) {
        return 0;
    }
    return version->terms[index - version->start_index - 1];
}

/* A state installed from a snapshot that the version's log does not lead to: the node must have
 * discarded that log and begun anew behind the state. */
static bool has_discarded(const struct ledger_version *version, const struct raft *raft)
{
    const struct raft_log *log = &raft->log;
    return log->start_index == log->last_index && log->start_index == raft->applied_index &&
           raft->applied_index >= version->start_index &&
           term_at(version, raft->applied_index) != log->start_term;
}

static bool fits(const struct ledger_version *version, const struct raft *raft)
{
    if (raft == NULL) {
        return version->hard.term == 0 && version->count == 0 && version->start_index == 0;
    }
    struct raft_hard_state hard = version->hard;
    const raft_term last_term = raft_log_last_term(&raft->log);
    if (last_term > hard.term) {
        hard = (struct raft_hard_state){.term = last_term}; /* A snapshot of a later term. */
    }
    return raft->hard.term == hard.term && raft->hard.vote == hard.vote &&
           (same_log(version, raft) || has_discarded(version, raft));
}

/* ---- life ---- */

static void add_mark(struct ledger *ledger, struct ledger_mark mark)
{
    const size_t count = ledger->mark_count + 1;
    ledger->marks = heap_realloc(ledger->marks, count * sizeof *ledger->marks);
    ledger->marks[count - 1] = mark;
    ledger->mark_count = count;
}

void ledger_init(struct ledger *ledger)
{
    *ledger = (struct ledger){.version_count = 0};
    add_version(ledger)->confirmed_at = 0;
    add_mark(ledger, (struct ledger_mark){.at = 0});
}

void ledger_init_after(
    struct ledger *ledger, const struct ledger *before, size_t at, size_t found, bool was_killed)
{
    *ledger = (struct ledger){.version_count = 0};
    const size_t oldest = was_killed ? ledger_oldest(before, at) : found;
    Q_CHECK(oldest <= found && found < before->version_count);
    for (size_t i = oldest; i <= found; i++) {
        struct ledger_version *version = add_version(ledger);
        copy_version(version, &before->versions[i]);
        version->visible_at = 0;
        version->confirmed_at = i == oldest ? 0 : LEDGER_NEVER;
    }
    struct ledger_mark mark = *ledger_mark_at(before, at);
    mark.at = 0;
    mark.version = 0;
    add_mark(ledger, mark);
}

void ledger_deinit(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->version_count; i++) {
        heap_free(ledger->versions[i].terms);
        heap_free(ledger->versions[i].hashes);
    }
    heap_free(ledger->versions);
    heap_free(ledger->marks);
    *ledger = (struct ledger){.version_count = 0};
}

/* ---- promises ---- */

void ledger_job_begins(struct ledger *ledger, const struct raft *raft, size_t at)
{
    struct ledger_version *version = add_version(ledger);
    version->visible_at = at + 1;
    version->hard = raft->saved_hard;
    set_log(version, raft, raft->saving_index);
}

void ledger_confirmed(struct ledger *ledger, size_t at)
{
    for (size_t i = ledger->version_count; i > 0; i--) {
        struct ledger_version *version = &ledger->versions[i - 1];
        if (version->confirmed_at != LEDGER_NEVER) {
            return;
        }
        version->confirmed_at = at;
    }
}

/* The mark that holds from `at` on, to be changed. */
static struct ledger_mark *mark_for(struct ledger *ledger, size_t at)
{
    struct ledger_mark mark = ledger->marks[ledger->mark_count - 1];
    Q_CHECK(mark.at <= at);
    if (mark.at < at) {
        mark.at = at;
        add_mark(ledger, mark);
    }
    return &ledger->marks[ledger->mark_count - 1];
}

/* Does a version hold what the message says about this node? */
static bool holds(const struct ledger_version *version,
                  const struct raft *raft,
                  const struct raft_message *message)
{
    if (version->hard.term < message->term) {
        return false;
    }
    if (message->kind != RAFT_MSG_APPEND_REPLY) {
        const node_id vote = message->kind == RAFT_MSG_VOTE ? raft->config.self : message->to;
        return version->hard.term > message->term || version->hard.vote == vote;
    }
    if (version->hard.term > message->term || message->index <= raft->log.start_index) {
        return true;
    }
    /* A message that waited for its save may speak of entries that raft has replaced since. */
    const raft_term term = term_at(version, message->index);
    raft_term now = 0;
    return term != 0 && (raft->hard.term > message->term ||
                         (raft_log_term(&raft->log, message->index, &now) && now == term));
}

/* False when the body is no Raft message that promises anything. */
static bool read_promise(struct bytes body, struct raft_message *out_message)
{
    struct reader r = reader_of(body);
    struct peer_header header;
    peer_header_read(&r, &header);
    (void)read_u32(&r); /* The group. */
    if (r.failed || header.type != PEER_RAFT ||
        raft_message_decode(read_bytes(&r, reader_left(&r)), out_message, NULL, 0) != Q_OK) {
        return false;
    }
    switch (out_message->kind) {
    case RAFT_MSG_VOTE: return true;
    case RAFT_MSG_VOTE_REPLY: return !out_message->reject;
    /* An answer with index 0 only tells our term to somebody behind it. */
    case RAFT_MSG_APPEND_REPLY: return !out_message->reject && out_message->index > 0;
    case RAFT_MSG_PRE_VOTE:
    case RAFT_MSG_PRE_VOTE_REPLY:
    case RAFT_MSG_APPEND:
    case RAFT_MSG_HEARTBEAT:
    case RAFT_MSG_HEARTBEAT_REPLY:
    case RAFT_MSG_TIMEOUT_NOW: break;
    }
    return false;
}

void ledger_sent(struct ledger *ledger, const struct raft *raft, struct bytes body, size_t at)
{
    struct raft_message message;
    if (raft == NULL || !read_promise(body, &message)) {
        return;
    }
    /* The oldest of the newest versions that all hold it; one not begun yet when none does. */
    size_t version = ledger->version_count;
    while (version > 0 && holds(&ledger->versions[version - 1], raft, &message)) {
        version--;
    }
    /* What lies before the log is vouched for by the state: it may have come with a snapshot. */
    if (message.kind == RAFT_MSG_APPEND_REPLY && message.index <= raft->log.start_index &&
        message.index > ledger->marks[ledger->mark_count - 1].state_index) {
        mark_for(ledger, at)->state_index = message.index;
    }
    if (version > ledger->marks[ledger->mark_count - 1].version) {
        mark_for(ledger, at)->version = version;
    }
}

void ledger_spoke(struct ledger *ledger, const struct identity *identity, bool with_map, size_t at)
{
    const struct ledger_mark *last = &ledger->marks[ledger->mark_count - 1];
    const uint64_t cluster_id = with_map ? identity->map.cluster_id : last->cluster_id;
    if (last->nonce == identity->nonce && last->incarnation == identity->incarnation &&
        last->cluster_id == cluster_id) {
        return;
    }
    struct ledger_mark *mark = mark_for(ledger, at);
    mark->nonce = identity->nonce;
    mark->incarnation = identity->incarnation;
    mark->cluster_id = cluster_id;
}

void ledger_committed(struct ledger *ledger, raft_index index, size_t at)
{
    if (index > ledger->marks[ledger->mark_count - 1].committed) {
        mark_for(ledger, at)->committed = index;
    }
}

void ledger_peer_has_map(struct ledger *ledger, node_id peer, size_t at)
{
    const uint32_t bit = UINT32_C(1) << peer;
    if ((ledger->marks[ledger->mark_count - 1].peers_with_map & bit) == 0) {
        mark_for(ledger, at)->peers_with_map |= bit;
    }
}

/* ---- judging ---- */

const struct ledger_mark *ledger_mark_at(const struct ledger *ledger, size_t at)
{
    size_t i = ledger->mark_count - 1;
    while (ledger->marks[i].at > at) {
        Q_CHECK(i > 0);
        i--;
    }
    return &ledger->marks[i];
}

size_t ledger_oldest(const struct ledger *ledger, size_t at)
{
    size_t oldest = ledger_mark_at(ledger, at)->version;
    for (size_t i = ledger->version_count; i > oldest + 1; i--) {
        if (ledger->versions[i - 1].confirmed_at <= at) {
            oldest = i - 1;
            break;
        }
    }
    return oldest;
}

size_t ledger_newest(const struct ledger *ledger, size_t at)
{
    size_t newest = ledger->version_count - 1;
    while (newest > 0 && ledger->versions[newest].visible_at > at) {
        newest--;
    }
    return newest;
}

static void describe(const struct ledger *ledger, size_t number, char *out, size_t size)
{
    if (number >= ledger->version_count) {
        (void)snprintf(out, size, "a version never written");
        return;
    }
    const struct ledger_version *version = &ledger->versions[number];
    (void)snprintf(out, size, "term %" PRIu64 " vote %u log (%" PRIu64 ", %" PRIu64 "]",
                   version->hard.term, version->hard.vote, version->start_index,
                   version->start_index + version->count);
}

size_t ledger_find(const struct ledger *ledger,
                   const struct raft *raft,
                   size_t at,
                   struct violation *violation)
{
    const size_t oldest = ledger_oldest(ledger, at);
    const size_t newest = ledger_newest(ledger, at);
    for (size_t i = newest + 1; i > oldest; i--) {
        if (fits(&ledger->versions[i - 1], raft)) {
            return i - 1;
        }
    }
    char low[128];
    char high[128];
    char found[128] = "no cluster";
    describe(ledger, oldest, low, sizeof low);
    describe(ledger, newest, high, sizeof high);
    if (raft != NULL) {
        (void)snprintf(found, sizeof found,
                       "term %" PRIu64 " vote %u log (%" PRIu64 ", %" PRIu64 "] applied %" PRIu64,
                       raft->hard.term, raft->hard.vote, raft->log.start_index,
                       raft->log.last_index, raft->applied_index);
    }
    violation_report(violation, "recovered",
                     "found %s, which is no version from %zu (%s) to %zu (%s)", found, oldest, low,
                     newest, high);
    return LEDGER_NEVER;
}

void ledger_check_applied(const struct ledger *ledger,
                          raft_index applied,
                          size_t at,
                          struct violation *violation)
{
    const struct ledger_mark *mark = ledger_mark_at(ledger, at);
    if (applied < mark->state_index) {
        violation_report(violation, "state",
                         "applied %" PRIu64 " at start, but the state as of entry %" PRIu64
                         " was acknowledged",
                         applied, mark->state_index);
    }
}

void ledger_check_identity(const struct ledger *ledger,
                           const struct identity *identity,
                           size_t at,
                           struct violation *violation)
{
    const struct ledger_mark *mark = ledger_mark_at(ledger, at);
    if (mark->nonce != 0 && identity->nonce != mark->nonce) {
        violation_report(violation, "identity",
                         "nonce %016" PRIx64 " was told to peers, now %016" PRIx64, mark->nonce,
                         identity->nonce);
    }
    if (identity->incarnation <= mark->incarnation) {
        violation_report(violation, "identity",
                         "incarnation %" PRIu64 " after peers had heard of %" PRIu64,
                         identity->incarnation, mark->incarnation);
    }
    if (mark->cluster_id != 0 && identity->map.cluster_id != mark->cluster_id) {
        violation_report(violation, "identity",
                         "map of cluster %016" PRIx64 " is lost: now %016" PRIx64, mark->cluster_id,
                         identity->map.cluster_id);
    }
}
