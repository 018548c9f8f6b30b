/* Elections: PreVote and votes (sections 3.4 and 9.6), and what a new leader does first. */
#include "base/mark.h"
#include "core/raft/raft_private.h"

bool raft_leader_is_alive(const struct raft *raft)
{
    if (raft->role == RAFT_LEADER) {
        return true; /* CheckQuorum, not a rival, ends a leader that has lost its followers. */
    }
    return raft->leader != NODE_NONE &&
           raft->now_ms < raft->leader_heard_at_ms + raft->config.election_min_ms;
}

static void reset_votes(struct raft *raft)
{
    for (size_t i = 0; i < raft->config.voter_count; i++) {
        raft->progress[i].vote_granted = false;
        raft->progress[i].vote_rejected = false;
    }
}

static void request_votes(struct raft *raft, enum raft_message_kind kind, raft_term term)
{
    for (size_t i = 0; i < raft->config.voter_count; i++) {
        if (raft->progress[i].id == raft->config.self) {
            continue;
        }
        const struct raft_message request = {
            .kind = kind,
            .to = raft->progress[i].id,
            .term = term,
            .prev_index = raft->log.last_index,
            .prev_term = raft_log_last_term(&raft->log),
            .forced = kind == RAFT_MSG_VOTE && raft->forced_election,
        };
        /* A vote asked for before our own term and vote are durable could be asked for twice. */
        raft_send(raft, request, kind == RAFT_MSG_VOTE);
    }
}

/* Everything a leader knows of others is of its own term: nothing is carried over. */
static void reset_progress(struct raft *raft)
{
    for (size_t i = 0; i < raft->config.voter_count; i++) {
        struct raft_progress *progress = &raft->progress[i];
        const bool self = progress->id == raft->config.self;
        const uint64_t heard_at_ms = progress->heard_at_ms;
        const raft_index kept = Q_PLANT(MATCHKEPT) ? progress->match_index : 0;
        memset(progress, 0, sizeof *progress);
        progress->id = raft->config.voters[i];
        progress->heard_at_ms = heard_at_ms;
        progress->next_index = raft->log.last_index + 1;
        progress->state = self ? RAFT_REPLICATE : RAFT_PROBE;
        progress->match_index = self ? raft->stable_index : kept;
        if (Q_PLANT(MATCHKEPT) && progress->match_index > raft->log.last_index) {
            progress->match_index = raft->log.last_index;
        }
    }
}

static void become_leader(struct raft *raft)
{
    Q_CHECK(raft->role == RAFT_CANDIDATE);
    Q_CHECK(raft->hard.vote == raft->config.self);
    Q_MARK_IF(RAFT_LEADER_BY_TRANSFER, raft->forced_election);
    Q_MARK_IF(RAFT_LEADER_INHERITS, raft->log.last_index > raft->commit_index);
    raft->role = RAFT_LEADER;
    raft->leader = raft->config.self;
    raft->role_changed = true;
    reset_progress(raft);
    raft_transfer_clear(raft);
    raft_reads_void(raft);
    raft->heartbeat_deadline_ms = raft->now_ms + raft->config.heartbeat_ms;
    raft->check_quorum_deadline_ms = raft->now_ms + raft->config.election_max_ms;

    /* Entries of earlier terms commit only with one of this term after them (section 3.6.2), and
     * reads wait for it (section 6.4, step 1). */
    const struct raft_entry noop = {
        .term = raft->hard.term,
        .hlc = raft->last_hlc + 1,
        .kind = RAFT_ENTRY_NOOP,
    };
    raft_append_entry(raft, &noop);
    raft->term_start_index = raft->log.last_index;
    if (!Q_PLANT(B68T)) {
        raft_count_uncommitted(raft);
    }
}

static void become_candidate(struct raft *raft)
{
    raft->role = RAFT_CANDIDATE;
    raft->hard = (struct raft_hard_state){
        .term = raft->hard.term + 1,
        .vote = raft->config.self,
    };
    raft->leader = NODE_NONE;
    raft->role_changed = true;
    reset_votes(raft);
    raft_draw_election_timeout(raft);
    raft_restart_election_timer(raft);
    request_votes(raft, RAFT_MSG_VOTE, raft->hard.term);
}

static void count_votes(struct raft *raft)
{
    size_t granted = 0;
    size_t rejected = 0;
    for (size_t i = 0; i < raft->config.voter_count; i++) {
        granted += raft->progress[i].vote_granted ? 1 : 0;
        rejected += raft->progress[i].vote_rejected ? 1 : 0;
    }
    if (granted >= raft_quorum(raft)) {
        if (raft->role == RAFT_PRE_CANDIDATE) {
            become_candidate(raft);
        } else {
            become_leader(raft);
        }
    } else if (rejected >= raft_quorum(raft)) {
        Q_MARK_IF(RAFT_ELECTION_REFUSED, raft->role == RAFT_CANDIDATE);
        raft_become_follower(raft, raft->hard.term, NODE_NONE);
    }
}

/* A pre-candidate keeps its term and its vote: it only asks. */
static void become_pre_candidate(struct raft *raft)
{
    raft->role = RAFT_PRE_CANDIDATE;
    raft->leader = NODE_NONE;
    raft->role_changed = true;
    if (Q_PLANT(B04)) {
        raft->hard.vote = NODE_NONE;
    }
    reset_votes(raft);
    raft_draw_election_timeout(raft);
    raft_restart_election_timer(raft);
    request_votes(raft, RAFT_MSG_PRE_VOTE, raft->hard.term + 1);
    raft_progress_mutable(raft, raft->config.self)->vote_granted = true;
    count_votes(raft);
}

void raft_campaign(struct raft *raft, bool forced)
{
    Q_CHECK(raft->role != RAFT_LEADER);
    raft_draw_election_timeout(raft);
    raft_restart_election_timer(raft);
    /* A node whose own log does not move could win but never commit; and a full ring has no room
     * for the no-op. */
    if (raft_storage_is_stuck(raft) ||
        raft->log.last_index - raft->log.start_index >= raft->log.capacity) {
        Q_MARK(RAFT_CAMPAIGN_DISK_STUCK);
        return;
    }
    raft->forced_election = forced;
    if (forced || Q_PLANT(B38)) {
        become_candidate(raft);
        return;
    }
    become_pre_candidate(raft);
}

void raft_on_vote_request(struct raft *raft, const struct raft_message *message)
{
    const bool pre = message->kind == RAFT_MSG_PRE_VOTE;
    const bool free_to_vote = raft->hard.vote == message->from ||
                              (raft->hard.vote == NODE_NONE && raft->leader == NODE_NONE) ||
                              (pre && message->term > raft->hard.term);
    const raft_term last_term = raft_log_last_term(&raft->log);
    /* Section 3.6.1: the candidate's log must hold everything that may be committed. */
    const bool up_to_date = message->prev_term > last_term ||
                            (message->prev_term == last_term &&
                             (message->prev_index >= raft->log.last_index || Q_PLANT(VOTELOG)));
    const bool granted = free_to_vote && up_to_date;
    Q_MARK_IF(RAFT_PRE_VOTE_STALE_LOG, pre && free_to_vote && !up_to_date);
    Q_MARK_IF(RAFT_VOTE_STALE_LOG, !pre && free_to_vote && !up_to_date);
    Q_MARK_IF(RAFT_VOTE_TAKEN, !pre && !free_to_vote && raft->hard.vote != NODE_NONE);
    Q_MARK_IF(RAFT_VOTE_REPEATED, !pre && granted && raft->hard.vote == message->from);

    struct raft_message reply = {
        .kind = pre ? RAFT_MSG_PRE_VOTE_REPLY : RAFT_MSG_VOTE_REPLY,
        .to = message->from,
        .term = granted ? message->term : raft->hard.term,
        .reject = !granted,
    };
    if (granted && !pre) {
        raft->hard.vote = message->from;
        raft_restart_election_timer(raft);
    }
    raft_send(raft, reply, !pre && !Q_PLANT(GATE));
}

void raft_on_vote_reply(struct raft *raft, const struct raft_message *message)
{
    const bool pre = message->kind == RAFT_MSG_PRE_VOTE_REPLY;
    if (raft->role != (pre ? RAFT_PRE_CANDIDATE : RAFT_CANDIDATE)) {
        Q_MARK_IF(RAFT_VOTE_REPLY_LATE, !pre);
        return;
    }
    if (pre && !message->reject && message->term != raft->hard.term + 1) {
        Q_MARK(RAFT_PRE_VOTE_REPLY_OLD);
        return; /* Answers a question of an earlier term. */
    }
    struct raft_progress *progress = raft_progress_mutable(raft, message->from);
    Q_CHECK(progress != NULL);
    if (progress->vote_granted || progress->vote_rejected) {
        Q_MARK(RAFT_VOTE_REPLY_DOUBLED);
        return; /* The first answer counts. */
    }
    progress->vote_granted = !message->reject;
    progress->vote_rejected = message->reject;
    count_votes(raft);
}

void raft_own_vote_durable(struct raft *raft)
{
    Q_CHECK(raft->role == RAFT_CANDIDATE);
    struct raft_progress *progress = raft_progress_mutable(raft, raft->config.self);
    Q_CHECK(progress != NULL);
    if (!progress->vote_granted) {
        progress->vote_granted = true;
        count_votes(raft);
    }
}
