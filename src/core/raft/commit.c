/* What is durable here, what is committed, and the saves in between. */
#include "base/mark.h"
#include "core/raft/raft_private.h"

void raft_count_uncommitted(struct raft *raft)
{
    raft->uncommitted_bytes = 0;
    for (raft_index i = raft->commit_index + 1; i <= raft->log.last_index; i++) {
        raft->uncommitted_bytes += raft_entry_size(raft_log_at(&raft->log, i));
    }
}

void raft_commit_to(struct raft *raft, raft_index index)
{
    Q_CHECK(index <= raft->log.last_index);
    if (raft->role == RAFT_LEADER) {
        for (raft_index i = raft->commit_index + 1; i <= index; i++) {
            const size_t size = raft_entry_size(raft_log_at(&raft->log, i));
            Q_CHECK(raft->uncommitted_bytes >= size);
            raft->uncommitted_bytes -= size;
        }
    }
    if (index > raft->commit_index) {
        raft->commit_index = index;
    }
}

void raft_commit_by_quorum(struct raft *raft)
{
    Q_CHECK(raft->role == RAFT_LEADER);
    uint64_t matches[NODES_MAX];
    for (size_t i = 0; i < raft->config.voter_count; i++) {
        matches[i] = raft->progress[i].match_index;
        if (Q_PLANT(SELFMATCH) && raft->progress[i].id == raft->config.self) {
            matches[i] = raft->log.last_index;
        }
    }
    const raft_index held = raft_nth_largest(matches, raft->config.voter_count, raft_quorum(raft));
    Q_MARK_IF(RAFT_COMMIT_HELD_BACK, held > raft->commit_index && held < raft->term_start_index);
    /* Section 3.6.2: an entry of an earlier term may be on a majority and still be overwritten;
     * only one of our own term commits, and with it all before it. */
    if (held > raft->commit_index && (held >= raft->term_start_index || Q_PLANT(B01))) {
        Q_MARK_IF(RAFT_COMMIT_OLD_TERMS, raft->commit_index + 1 < raft->term_start_index);
        raft_commit_to(raft, held);
    }
}

void raft_truncate_tail(struct raft *raft, raft_index last)
{
    Q_CHECK(last >= raft->commit_index);
    Q_CHECK(last < raft->log.last_index);
    raft_log_truncate_after(&raft->log, last);
    if (raft->saving_index > last) {
        raft->saving_index = last;
    }
    if (raft->stable_index > last) {
        raft->stable_index = last;
    }
    for (size_t i = 0; i < raft->save_count && !Q_PLANT(ABA); i++) {
        struct raft_save *save = &raft->saves[(raft->save_first + i) % RAFT_SAVES_MAX];
        if (save->last_index > last) {
            Q_MARK(RAFT_CONFLICT_SAVING);
            save->last_index = last;
            save->last_term = raft_log_last_term(&raft->log);
        }
    }
}

bool raft_storage_is_stuck(const struct raft *raft)
{
    if (Q_PLANT(B40) || raft->save_count == 0) {
        return false;
    }
    return raft->now_ms >=
           raft->saves[raft->save_first].emitted_at_ms + raft->config.election_max_ms;
}

static void complete(struct raft *raft, const struct raft_save *save)
{
    raft_index durable = save->last_index;
    raft_term term = 0;
    if (Q_PLANT(ABA) && durable > raft->log.last_index) {
        durable = raft->log.last_index;
    } else if (raft_log_term(&raft->log, durable, &term) && durable > raft->log.start_index) {
        Q_CHECK(term == save->last_term || Q_PLANT(ABA) || Q_PLANT(B24));
    }
    raft->durable_term = save->term;
    if (durable > raft->stable_index) {
        raft->stable_index = durable;
        if (raft->saving_index < durable) {
            raft->saving_index = durable; /* Only with a plant. */
        }
    }
    if (raft->role == RAFT_CANDIDATE && save->term == raft->hard.term) {
        raft_own_vote_durable(raft);
    }
}

void raft_persisted(struct raft *raft, uint64_t now_ms, uint64_t number)
{
    Q_CHECK(number <= raft->save_number);
    Q_CHECK(number >= raft->save_done);
    raft_observe_time(raft, now_ms);
    while (raft->save_count > 0 && raft->saves[raft->save_first].number <= number) {
        const struct raft_save save = raft->saves[raft->save_first];
        raft->save_first = (raft->save_first + 1) % RAFT_SAVES_MAX;
        raft->save_count--;
        raft->save_done = save.number;
        complete(raft, &save);
    }
    if (raft->role == RAFT_LEADER) {
        /* The leader counts itself like anybody else: by what is durable (section 10.2.1). */
        struct raft_progress *self = raft_progress_mutable(raft, raft->config.self);
        Q_CHECK(self != NULL);
        if (raft->stable_index > self->match_index) {
            self->match_index = raft->stable_index;
            raft_commit_by_quorum(raft);
        }
    }
}
