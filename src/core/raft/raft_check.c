/* Every invariant of one replica that can be seen from inside. */
#include "core/raft/raft_private.h"

static void check_indices(const struct raft *raft)
{
    Q_CHECK(raft->log.start_index <= raft->applied_index);
    Q_CHECK(raft->applied_index <= raft->applying_index);
    Q_CHECK(raft->applying_index <= raft->commit_index);
    Q_CHECK(raft->applying_index <= raft->stable_index);
    Q_CHECK(raft->commit_index <= raft->log.last_index);
    Q_CHECK(raft->stable_index <= raft->saving_index);
    Q_CHECK(raft->saving_index <= raft->log.last_index);
    Q_CHECK(raft->log.last_index - raft->log.start_index <= raft->log.capacity);
    Q_CHECK(raft_log_last_term(&raft->log) <= raft->hard.term);
}

/* Ends only: raft_log_append compares each entry with the one before, and this runs each step. */
static void check_log(const struct raft *raft)
{
    Q_CHECK((raft->log.start_index == 0) == (raft->log.start_term == 0));
    if (raft->log.last_index > raft->log.start_index) {
        Q_CHECK(raft_log_at(&raft->log, raft->log.start_index + 1)->term >= raft->log.start_term);
        Q_CHECK(raft->log.bytes > 0);
        Q_CHECK(raft_log_at(&raft->log, raft->log.last_index)->hlc <= raft->last_hlc);
    } else {
        Q_CHECK(raft->log.bytes == 0);
    }
}

static void check_saves(const struct raft *raft)
{
    Q_CHECK(raft->save_count <= RAFT_SAVES_MAX);
    Q_CHECK(raft->save_done + raft->save_count == raft->save_number);
    for (size_t i = 0; i < raft->save_count; i++) {
        const struct raft_save *save = &raft->saves[(raft->save_first + i) % RAFT_SAVES_MAX];
        Q_CHECK(save->number == raft->save_done + i + 1);
        Q_CHECK(save->term <= raft->hard.term);
        Q_CHECK(save->last_index <= raft->saving_index || Q_PLANT(ABA));
    }
    if (raft->save_count == 0) {
        Q_CHECK(raft->stable_index == raft->saving_index);
    }
}

static void check_window(const struct raft *raft, const struct raft_progress *progress)
{
    Q_CHECK(progress->inflight_count <= raft->config.inflight_messages_max);
    size_t bytes = 0;
    raft_index before = progress->match_index;
    for (size_t i = 0; i < progress->inflight_count; i++) {
        const size_t at = (progress->inflight_first + i) % INFLIGHT_MESSAGES_MAX;
        Q_CHECK(progress->inflight[at].last_index > before);
        before = progress->inflight[at].last_index;
        bytes += progress->inflight[at].bytes;
    }
    Q_CHECK(before < progress->next_index);
    Q_CHECK(bytes == progress->inflight_bytes);
    Q_CHECK(progress->inflight_count == 0 || progress->state == RAFT_REPLICATE);
}

static void check_leader(const struct raft *raft)
{
    Q_CHECK(raft->leader == raft->config.self);
    Q_CHECK(raft->hard.vote == raft->config.self);
    Q_CHECK(raft->term_start_index > 0 && raft->term_start_index <= raft->log.last_index);
    Q_CHECK(raft_log_last_term(&raft->log) == raft->hard.term);
    size_t uncommitted = 0;
    for (raft_index i = raft->commit_index + 1; i <= raft->log.last_index; i++) {
        uncommitted += raft_entry_size(raft_log_at(&raft->log, i));
    }
    Q_CHECK(raft->uncommitted_bytes == uncommitted);
    for (size_t i = 0; i < raft->config.voter_count; i++) {
        const struct raft_progress *progress = &raft->progress[i];
        Q_CHECK(progress->read_acked <= raft->read_round_context);
        if (progress->id == raft->config.self) {
            Q_CHECK(progress->match_index == raft->stable_index);
        } else {
            Q_CHECK(progress->match_index < progress->next_index);
            Q_CHECK(progress->next_index <= raft->log.last_index + 1);
            check_window(raft, progress);
        }
    }
}

static void check_reads(const struct raft *raft)
{
    Q_CHECK(raft->read_confirmed <= raft->read_round_context);
    Q_CHECK(raft->read_round_context <= raft->read_context);
    Q_CHECK(raft->read_context <= raft->read_round_context + 1);
    Q_CHECK(!raft->read_ready_pending || raft->role == RAFT_LEADER);
}

void raft_check(const struct raft *raft)
{
    check_indices(raft);
    check_log(raft);
    check_saves(raft);
    check_reads(raft);
    Q_CHECK(raft->outbox_count <= RAFT_OUTBOX_MAX);
    for (size_t i = 0; i < raft->config.voter_count; i++) {
        Q_CHECK(raft->progress[i].id == raft->config.voters[i]);
    }
    switch (raft->role) {
    case RAFT_LEADER: check_leader(raft); break;
    case RAFT_CANDIDATE: Q_CHECK(raft->hard.vote == raft->config.self); /* fallthrough */
    case RAFT_PRE_CANDIDATE: Q_CHECK(raft->leader == NODE_NONE); break;
    case RAFT_FOLLOWER: Q_CHECK(raft->leader != raft->config.self); break;
    }
    if (raft->transfer_target != NODE_NONE) {
        Q_CHECK(raft->role == RAFT_LEADER);
    }
}
