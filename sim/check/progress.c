#include "sim/check/progress.h"

#include "base/check.h"

#include <stdio.h>

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static bool has(uint32_t set, node_id id)
{
    return (set >> (id - 1) & 1) != 0;
}

static bool is_quorum(uint32_t set, node_id node_count)
{
    return (uint32_t)__builtin_popcount(set) == node_count / 2 + 1;
}

/* Notes which nodes and links are not as they were. */
static void note_disturbances(struct progress *p, const struct progress_look *look)
{
    for (node_id a = 1; a <= look->node_count; a++) {
        if (look->nodes[a] == 0 || look->nodes[a] != p->last.nodes[a]) {
            p->node_since_us[a] = look->now_us;
        }
        for (node_id b = 1; b <= look->node_count; b++) {
            if (look->links[a][b] == 0 || look->links[a][b] != p->last.links[a][b]) {
                p->link_since_us[a][b] = look->now_us;
            }
        }
    }
    if (look->committed > p->last.committed) {
        p->committed_at_us = look->now_us;
    }
}

/* Since when nothing has disturbed the set and nothing was committed. */
static uint64_t calm_since(const struct progress *p, const struct progress_look *look, uint32_t set)
{
    uint64_t since_us = p->committed_at_us;
    for (node_id a = 1; a <= look->node_count; a++) {
        if (!has(set, a)) {
            continue;
        }
        since_us = later(since_us, p->node_since_us[a]);
        for (node_id b = 1; b <= look->node_count; b++) {
            if (a != b && has(set, b)) {
                since_us = later(since_us, p->link_since_us[a][b]);
            }
        }
    }
    return since_us;
}

static void report(const struct progress_look *look,
                   const struct progress_watch *watch,
                   uint32_t set,
                   struct violation *violation)
{
    char text[64] = "";
    size_t at = 0;
    for (node_id id = 1; id <= look->node_count; id++) {
        if (has(set, id)) {
            at += (size_t)snprintf(text + at, sizeof text - at, " %u", id);
        }
    }
    violation_report(violation, "progress",
                     "nodes%s are a majority, whole and connected for %llu ms, and have been asked "
                     "to write %llu ms ago at the latest: nothing was committed since entry %llu",
                     text, (unsigned long long)(look->now_us - watch->since_us) / 1000,
                     (unsigned long long)(look->now_us - watch->asked_at_us) / 1000,
                     (unsigned long long)look->committed);
}

static void watch_set(struct progress *p,
                      const struct progress_look *look,
                      const struct progress_limits *limits,
                      uint32_t set,
                      struct violation *violation)
{
    struct progress_watch *watch = &p->watches[set];
    uint64_t least_index = UINT64_MAX;
    uint64_t longest_index = 0;
    uint64_t writes = 0;
    for (node_id id = 1; id <= look->node_count; id++) {
        if (has(set, id)) {
            least_index = look->last_index[id] < least_index ? look->last_index[id] : least_index;
            longest_index = later(longest_index, look->last_index[id]);
            writes += look->writes[id];
        }
    }
    const uint64_t calm_us = calm_since(p, look, set);
    const bool catches_up =
        least_index > watch->least_index && watch->least_index < watch->goal_index;
    if (calm_us > watch->calm_us || catches_up) {
        *watch = (struct progress_watch){
            .calm_us = calm_us,
            .since_us = calm_us > watch->calm_us ? calm_us : look->now_us,
            .goal_index = calm_us > watch->calm_us ? longest_index : watch->goal_index};
    }
    watch->least_index = least_index;
    if (look->now_us < watch->since_us + limits->settle_us) {
        return;
    }
    if (!watch->is_settled) {
        watch->is_settled = true;
        watch->writes_before = writes;
    }
    if (watch->asked_at_us == 0 && writes >= watch->writes_before + PROGRESS_WRITES) {
        watch->asked_at_us = look->now_us;
    }
    if (watch->asked_at_us != 0 && look->now_us >= watch->asked_at_us + limits->answer_us) {
        report(look, watch, set, violation);
    }
}

void progress_look(struct progress *progress,
                   const struct progress_look *look,
                   const struct progress_limits *limits,
                   struct violation *violation)
{
    Q_CHECK(look->node_count > 0 && look->node_count <= NODES_MAX);
    Q_CHECK(look->now_us >= progress->last.now_us);
    note_disturbances(progress, look);
    for (uint32_t set = 1; set < UINT32_C(1) << look->node_count; set++) {
        if (is_quorum(set, look->node_count)) {
            watch_set(progress, look, limits, set, violation);
        }
    }
    progress->last = *look;
}
