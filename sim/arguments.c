#include "sim/arguments.h"

#include "base/plant.h"
#include "sim/shrink.h"

#include <stdio.h>

static const char USAGE[] =
    "usage: quorate-sim --seed S | --seeds N [--start S] | --seeds-file PATH | --partitions N\n"
    "                   | --crash-states [--seed S]\n"
    "  --set PAIRS        options instead of drawn ones, as \"nodes=3 kill_every_us=0\"; "
    "repeatable\n"
    "  --options          print all options and their bounds; --help: this\n"
    "  --nodes N          the same as --set nodes=N\n"
    "  --verbose          with --seed: one line per event\n"
    "  --shrink           with --seed: find a smaller run that fails in the same way\n"
    "  --tail LINES       and print the end of its trace\n"
    "  --partitions N     every pattern of cut links from every leader, N = 3 or 5 nodes\n"
    "  --pattern P        of these only that pattern\n"
    "  --leader L         and only that first leader\n"
    "  --crash-states     crash short workloads everywhere and recover each state that is left\n"
    "  --workload NAME    of these only that workload\n"
    "  --limit N          and of each at most so many states\n"
    "  --again N          crash every Nth state again while it recovers (default 16; 0 = none)\n"
    "  --cut N            only that crash, with --verbose told at length\n"
    "  --jobs J           worker processes (default 1)\n"
    "  --time-limit SEC   start no new seed after this long; with --shrink, stop then\n"
    "  --hashes           one line a seed with the hash of its run\n"
    "  --marks            at the end, which marks and faults were reached in how many seeds\n"
    "  --require-marks    one that was not reached is a violation\n"
    "  --stop             stop at the first violation\n"
    "  --plant NAME       switch a planted bug on (builds with QUORATE_PLANTS only)\n"
    "  --plant-selftest   drop one acknowledged write: the checkers must see it\n"
    "Last line: seeds=N hours=H ops=N faults=N violations=N undecided=N hash=X, or of\n"
    "--crash-states: states=N recoveries=N workloads=N violations=N hash=X. Exit status: 0 clean,\n"
    "1 a violation, 2 wrong usage.\n";

struct parser {
    struct arguments *out;
    char *error;
    size_t error_size;
};

static bool refuse(const struct parser *parser, const char *name, const char *why)
{
    (void)snprintf(parser->error, parser->error_size, "%s: %s", name, why);
    return false;
}

static bool parse_number(const char *text, uint64_t max, uint64_t *out)
{
    int64_t value = 0;
    if (!bytes_to_int64(bytes_of_text(text), &value) || value < 0 || (uint64_t)value > max) {
        return false;
    }
    *out = (uint64_t)value;
    return true;
}

#if defined(QUORATE_PLANTS)
static bool set_plant(const struct parser *parser, const char *name)
{
    static const char *const NAMES[] = {
#define X(plant, tool, text) #plant,
        Q_PLANT_MAP(X)
#undef X
    };
    for (size_t i = 0; i < PLANT_COUNT; i++) {
        if (strcmp(name, NAMES[i]) == 0) {
            plant_active = (enum plant)i;
            parser->out->campaign.origin.plant = i == 0 ? NULL : NAMES[i];
            return true;
        }
    }
    return refuse(parser, name, "is no planted bug");
}
#else
static bool set_plant(const struct parser *parser, const char *name)
{
    return refuse(parser, name, "this build has no planted bugs (QUORATE_PLANTS is off)");
}
#endif

static bool set_pair(const struct parser *parser, const char *name, const char *value)
{
    char pair[64];
    const int size = snprintf(pair, sizeof pair, "%s=%s", name, value);
    if (size < 0 || (size_t)size >= sizeof pair || strpbrk(value, " \t") != NULL) {
        return refuse(parser, name, "is not a number");
    }
    return option_changes_parse(&parser->out->campaign.changes, pair, parser->error,
                                parser->error_size);
}

/* ---- arguments with a value ---- */

enum number_kind {
    NUMBER_SEED,
    NUMBER_SEEDS,
    NUMBER_START,
    NUMBER_TIME_LIMIT,
    NUMBER_JOBS,
    NUMBER_TAIL,
    NUMBER_PATTERN,
    NUMBER_LEADER,
    NUMBER_LIMIT,
    NUMBER_AGAIN,
    NUMBER_CUT,
    NUMBER_KINDS
};

static const struct number_argument {
    const char *name;
    uint64_t min;
    uint64_t max;
} NUMBERS[NUMBER_KINDS] = {
    [NUMBER_SEED] = {"--seed", 0, INT64_MAX},
    [NUMBER_SEEDS] = {"--seeds", 0, INT64_MAX},
    [NUMBER_START] = {"--start", 0, INT64_MAX},
    [NUMBER_TIME_LIMIT] = {"--time-limit", 0, 1000000},
    [NUMBER_JOBS] = {"--jobs", 1, 64},
    [NUMBER_TAIL] = {"--tail", 0, 100000},
    [NUMBER_PATTERN] = {"--pattern", 0, UINT32_MAX},
    [NUMBER_LEADER] = {"--leader", 1, NODES_MAX},
    [NUMBER_LIMIT] = {"--limit", 1, INT64_MAX},
    [NUMBER_AGAIN] = {"--again", 0, INT64_MAX},
    [NUMBER_CUT] = {"--cut", 0, INT64_MAX},
};

static void set_number(struct arguments *out, enum number_kind kind, uint64_t value)
{
    struct campaign_options *campaign = &out->campaign;
    switch (kind) {
    case NUMBER_SEED:
        out->has_seed = true;
        campaign->seed_count = 1;
        campaign->first_seed = value;
        break;
    case NUMBER_SEEDS: campaign->seed_count = value; break;
    case NUMBER_START: campaign->first_seed = value; break;
    case NUMBER_TIME_LIMIT: campaign->time_limit_ms = value * 1000; break;
    case NUMBER_JOBS: campaign->jobs = (uint32_t)value; break;
    case NUMBER_TAIL: out->tail = (uint32_t)value; break;
    case NUMBER_PATTERN:
        out->has_pattern = true;
        out->pattern = value;
        break;
    case NUMBER_LEADER: out->leader = value; break;
    case NUMBER_LIMIT: out->crash.limit = value; break;
    case NUMBER_AGAIN: out->crash.again = value; break;
    case NUMBER_CUT: out->crash.only_cut = value; break;
    case NUMBER_KINDS: break;
    }
}

static bool parse_valued(const struct parser *parser, const char *name, const char *value)
{
    if (strcmp(name, "--plant") == 0) {
        return set_plant(parser, value);
    }
    if (strcmp(name, "--seeds-file") == 0) {
        parser->out->seeds_file = value;
        return true;
    }
    if (strcmp(name, "--workload") == 0) {
        parser->out->crash.workload = value;
        return true;
    }
    if (strcmp(name, "--set") == 0) {
        return option_changes_parse(&parser->out->campaign.changes, value, parser->error,
                                    parser->error_size);
    }
    if (strcmp(name, "--nodes") == 0) {
        return set_pair(parser, "nodes", value);
    }
    if (strcmp(name, "--partitions") == 0) {
        const bool is_enumerated = strcmp(value, "3") == 0 || strcmp(value, "5") == 0;
        return is_enumerated ? set_pair(parser, "partition_nodes", value)
                             : refuse(parser, name, "must be 3 or 5");
    }
    for (size_t i = 0; i < NUMBER_KINDS; i++) {
        if (strcmp(name, NUMBERS[i].name) == 0) {
            uint64_t number = 0;
            if (!parse_number(value, NUMBERS[i].max, &number) || number < NUMBERS[i].min) {
                return refuse(parser, name, "is not a number or out of bounds");
            }
            set_number(parser->out, (enum number_kind)i, number);
            return true;
        }
    }
    return refuse(parser, name, "is no argument");
}

/* ---- arguments without one ---- */

static bool parse_flag(const struct parser *parser, const char *name)
{
    struct arguments *out = parser->out;
    if (strcmp(name, "--verbose") == 0) {
        out->campaign.verbose = true;
    } else if (strcmp(name, "--stop") == 0) {
        out->campaign.stop_at_violation = true;
    } else if (strcmp(name, "--hashes") == 0) {
        out->campaign.print_hashes = true;
    } else if (strcmp(name, "--marks") == 0) {
        out->prints_marks = true;
    } else if (strcmp(name, "--require-marks") == 0) {
        out->requires_marks = true;
    } else if (strcmp(name, "--shrink") == 0) {
        out->shrinks = true;
    } else if (strcmp(name, "--crash-states") == 0) {
        out->wants_crashes = true;
    } else if (strcmp(name, "--options") == 0) {
        out->lists = true;
    } else if (strcmp(name, "--help") == 0) {
        out->helps = true;
    } else if (strcmp(name, "--plant-selftest") == 0) {
        return set_pair(parser, "selftest", "1");
    } else {
        return false;
    }
    return true;
}

/* ---- all together ---- */

/* Patterns and leaders as seeds. */
static bool choose_partitions(const struct parser *parser)
{
    struct arguments *out = parser->out;
    const uint32_t nodes = option_changes_partition_nodes(&out->campaign.changes);
    if (nodes == 0) {
        return (!out->has_pattern && out->leader == 0) ||
               refuse(parser, "--pattern, --leader", "only with --partitions");
    }
    if (out->leader > nodes || (out->leader > 0 && !out->has_pattern) || out->seeds_file != NULL) {
        return refuse(parser, "--partitions",
                      "no such leader, leader without --pattern, or a file");
    }
    if (out->has_pattern) {
        if (out->pattern >= partitions_pattern_count(nodes) || out->campaign.seed_count > 0) {
            return refuse(parser, "--pattern", "no such pattern, or seeds are given too");
        }
        out->has_seed = out->leader > 0;
        out->campaign.first_seed = out->pattern * nodes + (out->has_seed ? out->leader - 1 : 0);
        out->campaign.seed_count = out->has_seed ? 1 : nodes;
    } else if (out->campaign.seed_count == 0) {
        out->campaign.seed_count = partitions_run_count(nodes);
    }
    return true;
}

/* Crash states have nothing to do with seeds of worlds but the seed, the jobs and some flags. */
static bool choose_crashes(const struct parser *parser)
{
    struct arguments *out = parser->out;
    struct crash_options *crash = &out->crash;
    if (out->campaign.seed_count > (out->has_seed ? 1 : 0) || out->seeds_file != NULL ||
        option_changes_partition_nodes(&out->campaign.changes) > 0 || out->shrinks) {
        return refuse(parser, "--crash-states", "not with other things to run");
    }
    if (crash->only_cut != CRASH_NO_CUT && crash->workload == NULL) {
        return refuse(parser, "--cut", "only with --workload");
    }
    crash->seed = out->campaign.first_seed;
    crash->jobs = out->campaign.jobs;
    crash->verbose = out->campaign.verbose;
    crash->stop_at_violation = out->campaign.stop_at_violation;
    return true;
}

static bool check_together(const struct parser *parser)
{
    struct arguments *out = parser->out;
    const struct option_changes *changes = &out->campaign.changes;
    const size_t selftest = option_find("selftest");
    if (out->lists || out->helps) {
        return true;
    }
    if (out->wants_crashes) {
        return choose_crashes(parser);
    }
    if (out->crash.workload != NULL || out->crash.limit > 0 ||
        out->crash.only_cut != CRASH_NO_CUT || out->crash.again != CRASH_AGAIN_DEFAULT) {
        return refuse(parser, "--workload, --limit, --again, --cut", "only with --crash-states");
    }
    if (changes->is_given[selftest] && out->campaign.seed_count == 0 && out->seeds_file == NULL) {
        out->campaign.seed_count = 1;
    }
    if (!choose_partitions(parser)) {
        return false;
    }
    if (out->shrinks && (out->campaign.verbose || out->campaign.jobs > SHRINK_JOBS_MAX)) {
        return refuse(parser, "--shrink", "not with --verbose (see --tail), and --jobs 16 at most");
    }
    if (out->tail > 0 && !out->shrinks) {
        return refuse(parser, "--tail", "only with --shrink");
    }
    if ((out->shrinks || out->campaign.verbose) && out->campaign.seed_count != 1) {
        return refuse(parser, "--shrink, --verbose", "only with --seed");
    }
    if (out->campaign.seed_count == 0 && out->seeds_file == NULL) {
        return refuse(parser, "--seed, --seeds, --seeds-file or --partitions", "one is needed");
    }
    uint64_t seed = 0;
    const char *error = "";
    if (!campaign_fits(&out->campaign, &seed, &error)) {
        (void)snprintf(parser->error, parser->error_size, "seed %llu: %s", (unsigned long long)seed,
                       error);
        return false;
    }
    return true;
}

bool arguments_parse(
    int count, char **values, struct arguments *out, char *out_error, size_t error_size)
{
    const struct parser parser = {.out = out, .error = out_error, .error_size = error_size};
    out->campaign.jobs = 1;
    out->crash.again = CRASH_AGAIN_DEFAULT;
    out->crash.only_cut = CRASH_NO_CUT;
    out->campaign.origin.program = count > 0 ? values[0] : "quorate-sim";
    for (int i = 1; i < count; i++) {
        if (parse_flag(&parser, values[i])) {
            continue;
        }
        if (i + 1 == count) {
            return refuse(&parser, values[i], "is no argument, or its value is missing");
        }
        if (!parse_valued(&parser, values[i], values[i + 1])) {
            return false;
        }
        i++;
    }
    return check_together(&parser);
}

const char *arguments_usage(void)
{
    return USAGE;
}
