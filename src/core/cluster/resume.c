#include "core/cluster/resume.h"

#include "base/check.h"
#include "base/plant.h"

enum resume_verdict resume_judge(const struct resume_state *found, const struct testimony *said)
{
    if (Q_PLANT(STALE)) {
        return RESUME_FINE;
    }
    if (said->incarnation != 0 &&
        incarnation_count(said->incarnation) >= incarnation_count(found->incarnation)) {
        return RESUME_START_FORGOTTEN;
    }
    if (found->term < said->promise.term) {
        return RESUME_TERM_FORGOTTEN;
    }
    if (found->term == said->promise.term && found->last_index < said->promise.index) {
        return RESUME_ENTRIES_FORGOTTEN;
    }
    return RESUME_FINE;
}

static bool has_quorum(const struct resume *resume)
{
    return resume->answered_count + 1 > resume->voter_count / 2;
}

static bool has_all(const struct resume *resume)
{
    return resume->answered_count + 1 == resume->voter_count;
}

void resume_init(struct resume *resume,
                 const struct resume_state *found,
                 node_id self,
                 size_t voter_count,
                 uint64_t now_ms)
{
    Q_CHECK(voter_count >= 1 && voter_count <= NODES_MAX);
    Q_CHECK(self >= 1 && self <= voter_count);
    *resume = (struct resume){.found = *found,
                              .self = self,
                              .voter_count = voter_count,
                              .grace_until_ms = now_ms + RESUME_GRACE_MS,
                              .ask_at_ms = now_ms};
    resume->is_done = has_all(resume) || Q_PLANT(STALE);
}

size_t resume_tick(struct resume *resume, uint64_t now_ms, node_id *out_ask)
{
    if (has_all(resume) || (has_quorum(resume) && now_ms >= resume->grace_until_ms)) {
        resume->is_done = true;
    }
    if (has_all(resume) || now_ms < resume->ask_at_ms) {
        return 0;
    }
    resume->ask_at_ms = now_ms + (resume->is_done ? RESUME_ASK_EVERY_DONE_MS : RESUME_ASK_EVERY_MS);
    size_t count = 0;
    for (node_id id = 1; id <= resume->voter_count; id++) {
        if (id != resume->self && !resume->answered[id - 1]) {
            out_ask[count++] = id;
        }
    }
    return count;
}

enum resume_verdict resume_hear(struct resume *resume, node_id from, const struct testimony *said)
{
    Q_CHECK(from >= 1 && from <= resume->voter_count && from != resume->self);
    const enum resume_verdict verdict = resume_judge(&resume->found, said);
    if (verdict == RESUME_FINE && !resume->answered[from - 1]) {
        resume->answered[from - 1] = true;
        resume->answered_count++;
    }
    return verdict;
}

uint64_t resume_next_deadline(const struct resume *resume)
{
    if (has_all(resume)) {
        return resume->is_done ? UINT64_MAX : 0;
    }
    const bool waits = has_quorum(resume) && !resume->is_done;
    return waits && resume->grace_until_ms < resume->ask_at_ms ? resume->grace_until_ms
                                                               : resume->ask_at_ms;
}
