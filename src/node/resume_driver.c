#include "node/resume_driver.h"

#include "base/check.h"
#include "base/mark.h"
#include "base/os/log.h"

#include <stdio.h>

#define ADVICE                                                                                     \
    "Going on could undo acknowledged writes. If the newest state of this directory still "        \
    "exists, "                                                                                     \
    "put that back; else leave this node stopped and let the others go on: a node that lost its "  \
    "disk cannot be taken back yet"

void resume_driver_start(struct node *node)
{
    const struct raft *raft = &node->replica.raft;
    const struct resume_state found = {.incarnation = node->identity.incarnation,
                                       .term = raft->hard.term,
                                       .last_index = raft->log.last_index};
    resume_init(&node->resume, &found, node->self, node->list.count, node->now_ms);
    node->resume_log_at_ms = node->now_ms + BOOT_LOG_EVERY_MS;
    if (node->resume.is_done) {
        raft_resume(&node->replica.raft, node->now_ms);
    }
}

size_t resume_driver_text(const struct node *node, char *out, size_t size)
{
    const struct resume *resume = &node->resume;
    size_t used = (size_t)snprintf(out, size, "waiting for");
    for (node_id id = 1; id <= resume->voter_count && used < size; id++) {
        if (id != resume->self && !resume->answered[id - 1]) {
            used += (size_t)snprintf(out + used, size - used, " %s", node_address(node, id));
        }
    }
    if (used < size) {
        used +=
            (size_t)snprintf(out + used, size - used, " to say what they remember of this node");
    }
    return used < size ? used : size - 1;
}

static void ask(struct node *node, node_id to)
{
    struct buf *out = node_send_begin(node, to, PEER_RESUME);
    if (out == NULL) {
        return;
    }
    struct writer w = writer_of(buf_reserve(out, RESUME_QUESTION_SIZE), RESUME_QUESTION_SIZE);
    const struct resume_question question = {.group = node->replica.group,
                                             .term = node->resume.found.term,
                                             .last_index = node->resume.found.last_index};
    resume_question_write(&w, &question);
    Q_CHECK(!w.failed);
    buf_added(out, writer_size(&w));
    node_send_end(node, to);
}

void resume_driver_tick(struct node *node)
{
    node_id to[NODES_MAX];
    const bool was_done = node->resume.is_done;
    const size_t count = resume_tick(&node->resume, node->now_ms, to);
    for (size_t i = 0; i < count; i++) {
        ask(node, to[i]);
    }
    if (!node->resume.is_done && node->now_ms >= node->resume_log_at_ms) {
        char text[BOOT_TEXT_SIZE_MAX];
        (void)resume_driver_text(node, text, sizeof text);
        log_event(LOG_WARN, "node_resumes", "state=\"%s\"", text);
        node->resume_log_at_ms = node->now_ms + BOOT_LOG_EVERY_MS;
    }
    if (node->resume.is_done && !was_done) {
        Q_MARK_IF(RESUME_GRACE_ENDS, resume_next_deadline(&node->resume) != UINT64_MAX);
        raft_resume(&node->replica.raft, node->now_ms);
    }
}

/* The other side also says so: whoever runs the cluster may look there first. */
static void look_at_asker(struct node *node,
                          node_id from,
                          uint64_t incarnation,
                          const struct resume_question *question,
                          const struct testimony *said)
{
    struct peer *peer = node_peer(node, from);
    const struct resume_state found = {
        .incarnation = incarnation, .term = question->term, .last_index = question->last_index};
    if (resume_judge(&found, said) == RESUME_FINE || peer->stale_incarnation == incarnation) {
        return;
    }
    peer->stale_incarnation = incarnation;
    log_event(LOG_WARN, "peer_is_stale",
              "node=%u address=\"%s\" term=%llu last=%llu remembered_term=%llu "
              "remembered_entry=%llu",
              from, node_address(node, from), (unsigned long long)question->term,
              (unsigned long long)question->last_index, (unsigned long long)said->promise.term,
              (unsigned long long)said->promise.index);
}

void resume_driver_question(struct node *node,
                            node_id from,
                            const struct peer_header *header,
                            struct reader *r)
{
    struct resume_question question;
    resume_question_read(r, &question);
    if (r->failed || question.group != node->replica.group) {
        return;
    }
    const struct testimony said =
        witness_testify(&node_peer(node, from)->witness, header->from_incarnation);
    look_at_asker(node, from, header->from_incarnation, &question, &said);
    struct buf *out = node_send_begin(node, from, PEER_RESUME_ANSWER);
    if (out == NULL) {
        return;
    }
    struct writer w = writer_of(buf_reserve(out, RESUME_ANSWER_SIZE), RESUME_ANSWER_SIZE);
    const struct resume_answer answer = {
        .group = node->replica.group, .asker = header->from_incarnation, .said = said};
    resume_answer_write(&w, &answer);
    Q_CHECK(!w.failed);
    buf_added(out, writer_size(&w));
    node_send_end(node, from);
}

static void halt(struct node *node,
                 node_id from,
                 enum resume_verdict verdict,
                 const struct testimony *said)
{
    static const char *const FORGOTTEN[] = {[RESUME_FINE] = "",
                                            [RESUME_START_FORGOTTEN] = "a later start",
                                            [RESUME_TERM_FORGOTTEN] = "a later term",
                                            [RESUME_ENTRIES_FORGOTTEN] = "more log entries"};
    Q_MARK_IF(RESUME_START_FORGOTTEN, verdict == RESUME_START_FORGOTTEN);
    Q_MARK_IF(RESUME_TERM_FORGOTTEN, verdict == RESUME_TERM_FORGOTTEN);
    Q_MARK_IF(RESUME_ENTRIES_FORGOTTEN, verdict == RESUME_ENTRIES_FORGOTTEN);
    /* This start does not count: the next one must not look newer than what the witness saw. What
     * cannot be stored now is no worse than a start more. */
    node->identity.incarnation = node->incarnation_before;
    (void)identity_store(node->files, &node->identity);
    node_fail(node, Q_ESTALE,
              "the data directory is an old copy, or its disk has lost writes it had confirmed: "
              "node %s remembers %s from it (term %llu, entry %llu, start %llu) than it holds "
              "(term %llu, entry %llu). " ADVICE,
              node_address(node, from), FORGOTTEN[verdict], (unsigned long long)said->promise.term,
              (unsigned long long)said->promise.index,
              (unsigned long long)incarnation_count(said->incarnation),
              (unsigned long long)node->resume.found.term,
              (unsigned long long)node->resume.found.last_index);
}

void resume_driver_answer(struct node *node, node_id from, struct reader *r)
{
    struct resume_answer answer;
    resume_answer_read(r, &answer);
    if (r->failed || answer.group != node->replica.group ||
        answer.asker != node->identity.incarnation) {
        return;
    }
    const enum resume_verdict verdict = resume_hear(&node->resume, from, &answer.said);
    if (verdict != RESUME_FINE) {
        halt(node, from, verdict, &answer.said);
    }
}

void resume_driver_note(struct node *node, node_id from, const struct raft_message *message)
{
    struct witness_promise promise;
    if (witness_promise_of(message, &promise)) {
        witness_hear(&node_peer(node, from)->witness, promise);
    }
}
