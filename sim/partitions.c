#include "sim/partitions.h"

#include "base/check.h"
#include "sim/world.h"

#include <inttypes.h>
#include <stdio.h>

#define PATTERNS_OF_3       64
#define PATTERNS_OF_5       1024          /* Undirected; the forms of FORMS follow. */
#define HOLD_US             (60 * SECOND) /* How long a pattern stays. */
#define SETUP_US            (60 * SECOND) /* Until then the wanted leader must lead. */
#define STEADY_US           SECOND        /* It leads this long before the cut. */
#define OPERATIONS_A_SECOND 10
#define TIMEOUTS_TO_WRITE   10
#define LEADER_CHANGES_MAX  1
#define TERM_GROWTH_MAX     4

/* ---- patterns ---- */

/* One-way links on 5 nodes are too many to enumerate: these stand for them. row[a-1][b-1] is '1'
 * when node b hears node a. */
static const struct form {
    const char *name;
    char row[5][6];
} FORMS[] = {
    {"1 is heard by all and hears nobody", {"-1111", "0-111", "01-11", "011-1", "0111-"}},
    {"1 hears all and is heard by nobody", {"-0000", "1-111", "11-11", "111-1", "1111-"}},
    {"1 hears 2 and 3 and is heard by 4 and 5", {"-0011", "1-111", "11-11", "011-1", "0111-"}},
    {"1 hears all and is heard by 2", {"-1000", "1-111", "11-11", "111-1", "1111-"}},
    {"1 is heard by all and hears 2", {"-1111", "1-111", "01-11", "011-1", "0111-"}},
    {"1, 2, 3 are whole, 4 and 5 only hear", {"-1111", "1-111", "11-11", "000-0", "0000-"}},
    {"1, 2, 3 are whole, 4 and 5 are only heard", {"-1100", "1-100", "11-00", "111-1", "1111-"}},
    {"1 bridges 2, 3 and 4, 5, which hear 2, 3", {"-1111", "1-111", "11-11", "100-1", "1001-"}},
    {"2, 3, 4 are whole, 1 hears 2, 5 hears 1", {"-0001", "1-110", "01-10", "011-0", "0000-"}},
    {"a one-way ring", {"-1000", "0-100", "00-10", "000-1", "1000-"}},
    {"each pair one way", {"-1111", "0-111", "00-11", "000-1", "0000-"}},
    {"each pair one way, all alike", {"-1100", "0-110", "00-11", "100-1", "1100-"}},
};

#define FORM_COUNT (sizeof FORMS / sizeof FORMS[0])

bool partitions_nodes_are_enumerated(uint32_t nodes)
{
    return nodes == 3 || nodes == 5;
}

uint32_t partitions_pattern_count(uint32_t nodes)
{
    Q_CHECK(partitions_nodes_are_enumerated(nodes));
    return nodes == 3 ? PATTERNS_OF_3 : PATTERNS_OF_5 + (uint32_t)FORM_COUNT;
}

uint32_t partitions_run_count(uint32_t nodes)
{
    return partitions_pattern_count(nodes) * nodes;
}

static void form_links(const struct form *form, struct link_map *out)
{
    for (node_id from = 1; from <= 5; from++) {
        for (node_id to = 1; to <= 5; to++) {
            out->up[from][to] = form->row[from - 1][to - 1] == '1';
        }
    }
}

const char *partitions_form(uint32_t nodes, uint32_t pattern)
{
    Q_CHECK(pattern < partitions_pattern_count(nodes));
    return nodes == 5 && pattern >= PATTERNS_OF_5 ? FORMS[pattern - PATTERNS_OF_5].name : "";
}

void partitions_links(uint32_t nodes, uint32_t pattern, struct link_map *out)
{
    Q_CHECK(pattern < partitions_pattern_count(nodes));
    const bool is_directed = nodes == 3;
    *out = (struct link_map){0};
    if (!is_directed && pattern >= PATTERNS_OF_5) {
        form_links(&FORMS[pattern - PATTERNS_OF_5], out);
        return;
    }
    uint32_t bit = 0;
    for (node_id from = 1; from <= nodes; from++) {
        for (node_id to = is_directed ? 1 : from + 1; to <= nodes; to++) {
            if (from == to) {
                continue;
            }
            const bool is_up = (pattern >> bit & 1) != 0;
            out->up[from][to] = is_up;
            if (!is_directed) {
                out->up[to][from] = is_up;
            }
            bit++;
        }
    }
    Q_CHECK(UINT32_C(1) << bit == (is_directed ? PATTERNS_OF_3 : PATTERNS_OF_5));
}

/* How many nodes of the set there are; 0 when two of them are not connected both ways. */
static uint32_t size_when_connected(uint32_t nodes, const struct link_map *links, uint32_t set)
{
    uint32_t size = 0;
    for (node_id a = 1; a <= nodes; a++) {
        if ((set >> a & 1) == 0) {
            continue;
        }
        size++;
        for (node_id b = a + 1; b <= nodes; b++) {
            if ((set >> b & 1) != 0 && !(links->up[a][b] && links->up[b][a])) {
                return 0;
            }
        }
    }
    return size;
}

bool partitions_majority_is_connected(uint32_t nodes, const struct link_map *links)
{
    Q_CHECK(nodes > 0 && nodes <= NODES_MAX);
    for (uint32_t set = 0; set < UINT32_C(2) << nodes; set += 2) {
        if (size_when_connected(nodes, links, set) > nodes / 2) {
            return true;
        }
    }
    return false;
}

/* ---- options ---- */

void partitions_replay(uint32_t nodes, uint64_t seed, char *out, size_t size)
{
    if (seed < partitions_run_count(nodes)) {
        (void)snprintf(out, size, "--partitions %u --pattern %u --leader %u", nodes,
                       (uint32_t)seed / nodes, (uint32_t)seed % nodes + 1);
    } else {
        (void)snprintf(out, size, "--partitions %u --seed %" PRIu64, nodes, seed);
    }
}

void partitions_options(struct sim_options *out, uint64_t seed)
{
    const uint32_t nodes = out->partition_nodes;
    const uint64_t number = seed % partitions_run_count(nodes);
    sim_options_plain(out, seed);
    out->node_count = nodes;
    out->client_count = nodes;
    out->operation_count = (uint32_t)(OPERATIONS_A_SECOND * SETUP_US / SECOND);
    out->duration_us = SETUP_US; /* Put off by the time of the cut when that begins. */
    out->keys_per_class = 4;
    out->partition_nodes = nodes;
    out->partition_pattern = (uint32_t)(number / nodes);
    out->partition_leader = (node_id)(number % nodes + 1);
    out->partition_resets = seed / partitions_run_count(nodes) % 2 == 1;
}

/* ---- before the cut ---- */

/* Nodes do not crash in these runs, so what was last seen of each is how it is. */
static raft_term newest_term(const struct world *world)
{
    raft_term newest = 0;
    for (node_id id = 1; id <= world->options.node_count; id++) {
        const raft_term term = world->oracle.mirrors[id].term;
        newest = term > newest ? term : newest;
    }
    return newest;
}

static uint64_t limit_us(const struct world *world)
{
    return TIMEOUTS_TO_WRITE * MILLISECOND * world->options.election_max_ms;
}

/* The node all others follow; NODE_NONE when they do not agree. */
static node_id agreed_leader(const struct world *world)
{
    node_id leader = NODE_NONE;
    for (node_id id = 1; id <= world->options.node_count; id++) {
        const struct raft *raft = host_raft(&world->hosts[id]);
        if (raft == NULL || raft->leader == NODE_NONE ||
            (leader != NODE_NONE && raft->leader != leader)) {
            return NODE_NONE;
        }
        leader = raft->leader;
    }
    return leader;
}

static void cut_link(struct world *world, node_id from, node_id to)
{
    network_block(&world->network, from, to, true);
    if (world->options.partition_resets) {
        faults_reset(world, from, to);
    }
    world_trace(world, "link %u->%u is cut", from, to);
}

static void cut(struct world *world)
{
    struct partition_watch *watch = &world->partition_watch;
    struct link_map links;
    partitions_links(world->options.node_count, world->options.partition_pattern, &links);
    for (node_id from = 1; from <= world->options.node_count; from++) {
        for (node_id to = 1; to <= world->options.node_count; to++) {
            if (from != to && !links.up[from][to]) {
                cut_link(world, from, to);
            }
        }
    }
    world->fault_count++;
    world->operations_left = UINT32_MAX; /* Clients go on for as long as it stays. */
    world->phase_until_us = world->now_us + HOLD_US;
    watch->cut_at_us = world->now_us;
    watch->last_write_us = world->now_us;
    watch->cut_term = newest_term(world);
    watch->figures.is_owed = partitions_majority_is_connected(world->options.node_count, &links);
    world_trace(world, "pattern %u is on, leader %u, a majority is %sconnected",
                world->options.partition_pattern, world->options.partition_leader,
                watch->figures.is_owed ? "" : "not ");
}

static void make_leader(struct world *world)
{
    struct partition_watch *watch = &world->partition_watch;
    const node_id leader = agreed_leader(world);
    if (leader != world->options.partition_leader) {
        watch->steady_us = 0;
        if (leader != NODE_NONE) {
            node_transfer(world->hosts[leader].node, world->options.partition_leader);
            host_touch(&world->hosts[leader]);
        }
        return;
    }
    if (watch->steady_us == 0) {
        watch->steady_us = world->now_us;
    }
    if (world->now_us >= watch->steady_us + STEADY_US) {
        cut(world);
    }
}

/* ---- during the cut ---- */

/* Terms after `since` in which somebody led. */
static uint64_t count_leaders(struct world *world, raft_term since)
{
    uint64_t count = 0;
    for (raft_term term = since + 1; term <= newest_term(world); term++) {
        const struct term_record *record = oracle_term(&world->oracle, term);
        count += record != NULL && record->leader != NODE_NONE;
    }
    return count;
}

static void report(struct world *world, const char *what, uint64_t is, uint64_t max)
{
    const node_id count = world->options.node_count;
    struct link_map links;
    partitions_links(count, world->options.partition_pattern, &links);
    char text[200] = "";
    size_t at = 0;
    for (node_id a = 1; a <= count; a++) {
        for (node_id b = 1; b <= count; b++) {
            if (links.up[a][b] && at < sizeof text - 8) {
                at += (size_t)snprintf(text + at, sizeof text - at, " %u>%u", a, b);
            }
        }
    }
    violation_report(&world->violation, "partitions",
                     "%s: %" PRIu64 ", at most %" PRIu64
                     " allowed (pattern %u %s, first leader %u, links up:%s)",
                     what, is, max, world->options.partition_pattern,
                     partitions_form(count, world->options.partition_pattern),
                     world->options.partition_leader, text);
}

static void require(struct world *world, const char *what, uint64_t is, uint64_t max)
{
    if (world->partition_watch.figures.is_owed && is > max) {
        report(world, what, is, max);
    }
}

static void look_at_pause(struct world *world)
{
    struct partition_watch *watch = &world->partition_watch;
    const uint64_t pause_us = world->now_us - watch->last_write_us;
    if (pause_us > watch->figures.pause_max_us) {
        watch->figures.pause_max_us = pause_us;
    }
    require(world, "ms without a write", pause_us / MILLISECOND, limit_us(world) / MILLISECOND);
}

static void look_at_leaders(struct world *world)
{
    struct partition_watch *watch = &world->partition_watch;
    const raft_term newest = newest_term(world);
    if (watch->settled_term == 0 && world->now_us >= watch->cut_at_us + limit_us(world)) {
        watch->settled_term = newest;
    }
    watch->figures.term_growth = newest - watch->cut_term;
    require(world, "terms since the cut", watch->figures.term_growth, TERM_GROWTH_MAX);
    if (watch->settled_term > 0) {
        watch->figures.leader_changes = count_leaders(world, watch->settled_term);
        require(world, "changes of leader in a minute", watch->figures.leader_changes,
                LEADER_CHANGES_MAX);
    }
}

void partitions_wrote(struct world *world, uint64_t asked_at_us)
{
    struct partition_watch *watch = &world->partition_watch;
    if (world->phase != PHASE_FIRE || watch->cut_at_us == 0 || asked_at_us < watch->cut_at_us) {
        return;
    }
    if (!watch->figures.wrote) {
        watch->figures.wrote = true;
        watch->figures.first_write_us = world->now_us - watch->cut_at_us;
    }
    look_at_pause(world);
    watch->last_write_us = world->now_us;
}

void partitions_step(struct world *world)
{
    Q_CHECK(world->phase == PHASE_FIRE);
    if (world->partition_watch.cut_at_us == 0) {
        make_leader(world);
        return;
    }
    look_at_pause(world);
    look_at_leaders(world);
}

/* ---- after the cut ---- */

void partitions_end(struct world *world)
{
    struct partition_watch *watch = &world->partition_watch;
    watch->healed_at_us = world->now_us;
    if (watch->cut_at_us == 0) {
        report(world, "ms without the wanted leader", SETUP_US / MILLISECOND, 0);
    }
}

void partitions_step_healed(struct world *world)
{
    struct partition_watch *watch = &world->partition_watch;
    if (watch->is_whole) {
        return;
    }
    watch->figures.heal_us = world->now_us - watch->healed_at_us;
    watch->is_whole = judge_has_converged(world);
    if (!watch->is_whole && watch->figures.heal_us > limit_us(world)) {
        report(world, "ms to become whole again", watch->figures.heal_us / MILLISECOND,
               limit_us(world) / MILLISECOND);
    }
}

/* ---- many runs ---- */

static void raise(uint64_t *worst, uint64_t value)
{
    *worst = value > *worst ? value : *worst;
}

void partitions_add(struct partition_summary *summary, const struct partition_figures *figures)
{
    struct partition_figures *worst =
        figures->is_owed ? &summary->owed_worst : &summary->other_worst;
    summary->owed_runs += figures->is_owed;
    summary->other_runs += !figures->is_owed;
    summary->other_wrote += !figures->is_owed && figures->wrote;
    worst->is_owed |= figures->is_owed;
    worst->wrote |= figures->wrote;
    raise(&worst->first_write_us, figures->first_write_us);
    raise(&worst->pause_max_us, figures->pause_max_us);
    raise(&worst->leader_changes, figures->leader_changes);
    raise(&worst->term_growth, figures->term_growth);
    raise(&worst->heal_us, figures->heal_us);
}

void partitions_print(const struct partition_summary *summary)
{
    const struct partition_figures *owed = &summary->owed_worst;
    const struct partition_figures *other = &summary->other_worst;
    (void)printf(
        "a majority is connected: runs=%" PRIu64 " first_write_ms<=%" PRIu64 " pause_ms<=%" PRIu64
        " leader_changes<=%" PRIu64 " terms<=%" PRIu64 " heal_ms<=%" PRIu64 "\n",
        summary->owed_runs, owed->first_write_us / MILLISECOND, owed->pause_max_us / MILLISECOND,
        owed->leader_changes, owed->term_growth, owed->heal_us / MILLISECOND);
    (void)printf("no majority is connected: runs=%" PRIu64 " wrote=%" PRIu64
                 " leader_changes<=%" PRIu64 " terms<=%" PRIu64 " heal_ms<=%" PRIu64 "\n",
                 summary->other_runs, summary->other_wrote, other->leader_changes,
                 other->term_growth, other->heal_us / MILLISECOND);
}
