/* Linearizable reads without log entries (ReadIndex, section 6.4).
 *
 * A leader that hears from a quorum after a read arrived was still leader when it arrived, so its
 * commit index of then covers every write the read must see. All reads waiting share one round. */
#include "base/err.h"
#include "base/mark.h"
#include "core/raft/raft_private.h"

static bool round_in_flight(const struct raft *raft)
{
    return raft->read_round_context > raft->read_confirmed;
}

static bool term_has_committed(const struct raft *raft)
{
    return Q_PLANT(B11) || raft->commit_index >= raft->term_start_index;
}

void raft_reads_void(struct raft *raft)
{
    Q_MARK_IF(RAFT_READ_VOIDED, round_in_flight(raft));
    if (Q_PLANT(B36) && raft->read_context > raft->read_confirmed) {
        raft->read_confirmed = raft->read_context;
        raft->read_ready_index = raft->commit_index;
        raft->read_ready_pending = true;
    } else {
        raft->read_ready_pending = false;
    }
    /* Numbers go on: none of the old leadership may be confirmed by the new. */
    raft->read_round_context = raft->read_context > raft->read_round_context
                                   ? raft->read_context
                                   : raft->read_round_context;
    raft->read_context = raft->read_round_context;
    raft->read_confirmed = raft->read_round_context;
}

static void evaluate(struct raft *raft)
{
    uint64_t acked[NODES_MAX];
    for (size_t i = 0; i < raft->config.voter_count; i++) {
        acked[i] = raft->progress[i].read_acked;
    }
    uint64_t confirmed = raft_nth_largest(acked, raft->config.voter_count, raft_quorum(raft));
    if (Q_PLANT(B34)) {
        confirmed = raft->read_round_context;
    }
    if (confirmed <= raft->read_confirmed) {
        return;
    }
    /* An older round may be what was confirmed; the newest round's index is only larger. */
    Q_MARK_IF(RAFT_READ_SECOND_BEST, confirmed < raft->read_round_context);
    raft->read_confirmed = confirmed;
    raft->read_ready_index = raft->read_round_index;
    raft->read_ready_pending = true;
}

static void start_round(struct raft *raft)
{
    raft->read_round_context++;
    if (raft->read_context < raft->read_round_context) {
        raft->read_context = raft->read_round_context; /* A retry; nobody asked for this number. */
    }
    raft->read_round_index = raft->commit_index;
    struct raft_progress *self = raft_progress_mutable(raft, raft->config.self);
    Q_CHECK(self != NULL);
    self->read_acked = raft->read_round_context;
    raft_want_heartbeats(raft);
    evaluate(raft);
}

void raft_reads_start(struct raft *raft)
{
    Q_MARK_IF(RAFT_READ_WAITS_FOR_TERM,
              raft->read_context > raft->read_round_context && !term_has_committed(raft));
    if (raft->role == RAFT_LEADER && raft->read_context > raft->read_round_context &&
        !round_in_flight(raft) && term_has_committed(raft)) {
        start_round(raft);
    }
}

void raft_reads_retry(struct raft *raft)
{
    if (round_in_flight(raft) && !Q_PLANT(B33)) {
        Q_MARK(RAFT_READ_RETRIED);
        start_round(raft);
    }
}

uint64_t raft_reads_context(const struct raft *raft)
{
    return round_in_flight(raft) ? raft->read_round_context : 0;
}

void raft_reads_acked(struct raft *raft, struct raft_progress *progress, uint64_t context)
{
    if (context > raft->read_round_context || context <= progress->read_acked) {
        return;
    }
    progress->read_acked = context;
    evaluate(raft);
}

int raft_read_index(struct raft *raft, uint64_t *out_context)
{
    if (raft->role != RAFT_LEADER) {
        return Q_ENOTLEADER;
    }
    if (Q_PLANT(B33) && round_in_flight(raft)) {
        *out_context = raft->read_round_context;
        return Q_OK;
    }
    raft->read_context = raft->read_round_context + 1;
    *out_context = raft->read_context;
    return Q_OK;
}
