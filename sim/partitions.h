/* Partitions by enumeration: every pattern of links, from every leader, one run each.
 *
 * DESIGN
 *
 * Three nodes have 6 directed links, hence 64 patterns of links that are up or down; five nodes
 * have 10 pairs, hence 1,024 undirected patterns, and a table adds forms of one-way links. Partial
 * partitions that stopped real systems reproduce on five nodes (Alfatafta et al., OSDI'20), so
 * these few are all of them. Each run is a production cluster on a network without any other fault:
 * a chosen node is made leader, the pattern is laid on, clients write at every node for a minute,
 * the links come back.
 *
 * What is asked of a run depends on its pattern alone. Where a majority is mutually connected
 * (every link up, both ways) the cluster must go on: a write that was sent after the cut is
 * answered within 10 election timeouts, no later pause is longer, after that the leader changes at
 * most once a minute, and terms hardly grow (Cloudflare 2020-11-02 had six hours of elections).
 * Elsewhere only safety is asked. All must be whole again 10 election timeouts after the cut ends.
 */
#ifndef Q_SIM_PARTITIONS_H
#define Q_SIM_PARTITIONS_H

#include "base/ids.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_options;
struct world;

/* Which links are up; [from][to], the diagonal unused. */
struct link_map {
    bool up[NODES_MAX + 1][NODES_MAX + 1];
};

/* What a run showed, all from the cut on. */
struct partition_figures {
    bool is_owed; /* A majority is mutually connected. */
    bool wrote;
    uint64_t first_write_us; /* From the cut to the answer. */
    uint64_t pause_max_us;   /* Longest time without an answered write. */
    uint64_t leader_changes; /* After the first 10 election timeouts. */
    uint64_t term_growth;
    uint64_t heal_us; /* From the end of the cut to one leader and equal logs. */
};

/* State of a run under way. */
struct partition_watch {
    struct partition_figures figures;
    uint64_t steady_us; /* Since when the wanted leader leads all; 0 = it does not. */
    uint64_t cut_at_us; /* 0 = not yet. */
    uint64_t healed_at_us;
    uint64_t last_write_us;
    uint64_t cut_term;     /* Newest term at the cut ... */
    uint64_t settled_term; /* ... and 10 election timeouts later; 0 = not yet. */
    bool is_whole;         /* After the cut. */
};

/* Sums over many runs. */
struct partition_summary {
    uint64_t owed_runs;
    uint64_t other_runs;
    uint64_t other_wrote;                 /* Runs that went on though nothing was owed. */
    struct partition_figures owed_worst;  /* Largest of each figure. */
    struct partition_figures other_worst; /* Likewise, of the other runs. */
};

/* ---- patterns ---- */

bool partitions_nodes_are_enumerated(uint32_t nodes);
/* 64 for 3 nodes; 1,024 for 5, and after them a few named forms with one-way links. */
uint32_t partitions_pattern_count(uint32_t nodes);
/* Patterns times leaders: run number = pattern * nodes + leader - 1. */
uint32_t partitions_run_count(uint32_t nodes);
/* Bit i of the pattern: the i-th link is up, in the order 1->2, 1->3, 2->1, 2->3, 3->1, 3->2 for
 * 3 nodes, and 1-2, 1-3, 1-4, 1-5, 2-3, .., 4-5 for 5. */
void partitions_links(uint32_t nodes, uint32_t pattern, struct link_map *out);
/* What a form is, in words; "" for an enumerated pattern. */
const char *partitions_form(uint32_t nodes, uint32_t pattern);
/* True when more than half of the nodes are connected to each other, each pair both ways. */
bool partitions_majority_is_connected(uint32_t nodes, const struct link_map *links);

/* The arguments of quorate-sim that run `seed` again. */
void partitions_replay(uint32_t nodes, uint64_t seed, char *out, size_t size);

/* ---- runs ---- */

/* The options of a run. Its pattern and leader are seed % run count; seeds beyond are the same
 * runs with other delays, in every second round with connections that are reset where a link is
 * cut. The fields of `out` that are not drawn are kept. */
void partitions_options(struct sim_options *out, uint64_t seed);
/* Called at each look at the phase while links may be down: makes the leader, cuts, checks. */
void partitions_step(struct world *world);
/* The time of the cut is over: what remains to be checked. The links are healed by the caller. */
void partitions_end(struct world *world);
/* After the cut, until the run ends. */
void partitions_step_healed(struct world *world);
/* A client's write, first sent at that time, has been answered. */
void partitions_wrote(struct world *world, uint64_t asked_at_us);

void partitions_add(struct partition_summary *summary, const struct partition_figures *figures);
void partitions_print(const struct partition_summary *summary);

#endif
