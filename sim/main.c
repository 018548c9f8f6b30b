/* quorate-sim: runs the production node in simulated worlds, one per seed, and judges them. */
#include "base/err.h"
#include "base/os/log.h"
#include "base/plant.h"
#include "sim/campaign.h"
#include "sim/crash/crash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char USAGE[] =
    "usage: quorate-sim --seed S | --seeds N [--start S] | --seeds-file PATH | --partitions N\n"
    "                   | --crash-states\n"
    "  --partitions N     every pattern of cut links from every leader, N = 3 or 5 nodes\n"
    "  --pattern P        of these only that pattern\n"
    "  --leader L         and only that first leader\n"
    "  --crash-states     crash short workloads everywhere and recover each state that is left\n"
    "  --workload NAME    of these only that workload\n"
    "  --limit N          and of each at most so many states\n"
    "  --again N          crash every Nth state again while it recovers (default 16; 0 = none)\n"
    "  --cut N            only that crash\n"
    "  --nodes N          force the number of nodes (1 to 7)\n"
    "  --jobs J           worker processes (default 1)\n"
    "  --time-limit SEC   start no new seed after this long\n"
    "  --stop             stop at the first violation\n"
    "  --verbose          one line per event (with --seed)\n"
    "  --plant NAME       switch a planted bug on (builds with QUORATE_PLANTS only)\n"
    "  --plant-selftest   drop one acknowledged write: the checkers must see it\n"
    "Last line: seeds=N hours=H ops=N faults=N violations=N hash=X; of --crash-states:\n"
    "states=N recoveries=N workloads=N violations=N hash=X. Exit status: 0 clean, 1 a violation,\n"
    "2 wrong usage.\n";

struct arguments {
    struct campaign_options campaign;
    bool has_seed;
    bool has_pattern;
    uint64_t pattern;
    uint64_t leader; /* 0 = each. */
    const char *seeds_file;
    bool wants_crashes;
    struct crash_options crash; /* Seed, jobs and flags are the campaign's. */
};

static bool parse_number(const char *text, uint64_t max, uint64_t *out)
{
    int64_t value = 0;
    if (text == NULL || !bytes_to_int64(bytes_of_text(text), &value) || value < 0 ||
        (uint64_t)value > max) {
        return false;
    }
    *out = (uint64_t)value;
    return true;
}

#if defined(QUORATE_PLANTS)
static bool set_plant(const char *name)
{
    static const char *const NAMES[] = {
#define X(plant, text) #plant,
        Q_PLANT_MAP(X)
#undef X
    };
    for (size_t i = 0; i < PLANT_COUNT; i++) {
        if (name != NULL && strcmp(name, NAMES[i]) == 0) {
            plant_active = (enum plant)i;
            return true;
        }
    }
    return false;
}
#else
static bool set_plant(const char *name)
{
    (void)fprintf(stderr, "--plant %s: this build has no planted bugs (QUORATE_PLANTS is off)\n",
                  name == NULL ? "" : name);
    return false;
}
#endif

/* What partitions are to be enumerated. False when `name` is not about that or the number is
 * wrong. */
static bool parse_partitions(struct arguments *out, const char *name, const char *value)
{
    uint64_t number = 0;
    if (strcmp(name, "--partitions") == 0) {
        const bool ok = parse_number(value, NODES_MAX, &number) &&
                        partitions_nodes_are_enumerated((uint32_t)number);
        out->campaign.world.partition_nodes = (uint32_t)number;
        return ok;
    }
    if (strcmp(name, "--pattern") == 0) {
        out->has_pattern = true;
        return parse_number(value, UINT32_MAX, &out->pattern);
    }
    if (strcmp(name, "--leader") == 0) {
        return parse_number(value, NODES_MAX, &out->leader) && out->leader > 0;
    }
    return false;
}

/* Patterns and leaders as seeds. */
static bool choose_partitions(struct arguments *out)
{
    const uint32_t nodes = out->campaign.world.partition_nodes;
    if (nodes == 0) {
        return !out->has_pattern && out->leader == 0;
    }
    if (out->leader > nodes || (out->leader > 0 && !out->has_pattern) || out->seeds_file != NULL ||
        out->campaign.world.selftest) {
        return false;
    }
    if (out->has_pattern) {
        if (out->pattern >= partitions_pattern_count(nodes) || out->campaign.seed_count > 0) {
            return false;
        }
        out->has_seed = out->leader > 0;
        out->campaign.first_seed = out->pattern * nodes + (out->has_seed ? out->leader - 1 : 0);
        out->campaign.seed_count = out->has_seed ? 1 : nodes;
    } else if (out->campaign.seed_count == 0) {
        out->campaign.seed_count = partitions_run_count(nodes);
    }
    return true;
}

/* What crash states are to be enumerated. False when `name` is not about that or the value is
 * wrong.
 */
static bool parse_crash(struct arguments *out, const char *name, const char *value)
{
    if (strcmp(name, "--workload") == 0) {
        out->crash.workload = value;
        return out->wants_crashes && value != NULL;
    }
    if (strcmp(name, "--limit") == 0) {
        return out->wants_crashes && parse_number(value, INT64_MAX, &out->crash.limit);
    }
    if (strcmp(name, "--again") == 0) {
        return out->wants_crashes && parse_number(value, INT64_MAX, &out->crash.again);
    }
    if (strcmp(name, "--cut") == 0) {
        return out->wants_crashes && parse_number(value, INT64_MAX, &out->crash.only_cut);
    }
    return parse_partitions(out, name, value);
}

/* An option with a number. False when `name` is none of them or the number is wrong. */
static bool parse_numbered(struct arguments *out, const char *name, const char *value)
{
    uint64_t number = 0;
    if (strcmp(name, "--seed") == 0) {
        out->has_seed = true;
        out->campaign.seed_count = 1;
        return parse_number(value, INT64_MAX, &out->campaign.first_seed);
    }
    if (strcmp(name, "--seeds") == 0) {
        return parse_number(value, INT64_MAX, &out->campaign.seed_count);
    }
    if (strcmp(name, "--start") == 0) {
        return parse_number(value, INT64_MAX, &out->campaign.first_seed);
    }
    if (strcmp(name, "--time-limit") == 0) {
        const bool ok = parse_number(value, 1000000, &number);
        out->campaign.time_limit_ms = number * 1000;
        return ok;
    }
    if (strcmp(name, "--nodes") == 0) {
        const bool ok = parse_number(value, NODES_MAX, &number) && number > 0;
        out->campaign.world.nodes_forced = (uint32_t)number;
        return ok;
    }
    if (strcmp(name, "--jobs") == 0) {
        const bool ok = parse_number(value, 64, &number) && number > 0;
        out->campaign.jobs = (uint32_t)number;
        return ok;
    }
    return parse_crash(out, name, value);
}

static bool parse_flag(struct arguments *out, const char *name)
{
    if (strcmp(name, "--verbose") == 0) {
        out->campaign.world.verbose = true;
        return true;
    }
    if (strcmp(name, "--stop") == 0) {
        out->campaign.stop_at_violation = true;
        return true;
    }
    if (strcmp(name, "--crash-states") == 0) {
        out->wants_crashes = true;
        return true;
    }
    if (strcmp(name, "--plant-selftest") == 0) {
        out->campaign.world.selftest = true;
        return true;
    }
    return false;
}

static bool parse_arguments(int count, char **values, struct arguments *out)
{
    for (int i = 1; i < count; i++) {
        const char *next = i + 1 < count ? values[i + 1] : NULL;
        if (parse_flag(out, values[i])) {
            continue;
        }
        i++;
        if (strcmp(values[i - 1], "--plant") == 0) {
            if (!set_plant(next)) {
                return false;
            }
        } else if (strcmp(values[i - 1], "--seeds-file") == 0) {
            out->seeds_file = next;
        } else if (!parse_numbered(out, values[i - 1], next)) {
            return false;
        }
    }
    if (out->campaign.world.selftest && out->campaign.seed_count == 0) {
        out->campaign.seed_count = 1;
    }
    if (!choose_partitions(out)) {
        return false;
    }
    if (out->wants_crashes) {
        out->crash.seed = out->campaign.first_seed;
        out->crash.jobs = out->campaign.jobs;
        out->crash.verbose = out->campaign.world.verbose;
        out->crash.stop_at_violation = out->campaign.stop_at_violation;
        return out->campaign.world.partition_nodes == 0 && out->seeds_file == NULL;
    }
    return out->campaign.seed_count > 0 || out->seeds_file != NULL;
}

/* Lines of `seed [--nodes N]`; '#' begins a comment. False when unreadable or malformed. */
static bool run_file(const struct arguments *arguments, struct campaign_result *result)
{
    FILE *file = fopen(arguments->seeds_file, "r");
    if (file == NULL) {
        (void)fprintf(stderr, "%s: cannot be read\n", arguments->seeds_file);
        return false;
    }
    char line[256];
    bool ok = true;
    while (ok && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "#\r\n")] = '\0';
        char *at = NULL;
        const char *words[3] = {strtok_r(line, " \t", &at), strtok_r(NULL, " \t", &at),
                                strtok_r(NULL, " \t", &at)};
        if (words[0] == NULL) {
            continue;
        }
        struct arguments one = *arguments;
        one.campaign.seed_count = 1;
        ok = parse_number(words[0], INT64_MAX, &one.campaign.first_seed) &&
             (words[1] == NULL || parse_numbered(&one, words[1], words[2]));
        if (ok) {
            campaign_run(&one.campaign, result);
        } else {
            (void)fprintf(stderr, "%s: a line is not `seed [--nodes N]`\n", arguments->seeds_file);
        }
    }
    (void)fclose(file);
    return ok;
}

int main(int count, char **values)
{
    struct arguments arguments = {
        .campaign = {.jobs = 1},
        .crash = {.again = CRASH_AGAIN_DEFAULT, .only_cut = CRASH_NO_CUT},
    };
    if (!parse_arguments(count, values, &arguments)) {
        (void)fputs(USAGE, stderr);
        return 2;
    }
    log_configure(arguments.campaign.world.verbose ? LOG_DEBUG : LOG_OFF, false);
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* The trace stays in step with the node's log. */
    if (arguments.wants_crashes) {
        return crash_campaign(&arguments.crash);
    }
    struct campaign_result result = {0};
    if (arguments.seeds_file != NULL && !run_file(&arguments, &result)) {
        return 2;
    }
    if (arguments.has_seed) {
        campaign_run_seed(&arguments.campaign, arguments.campaign.first_seed, &result);
    } else if (arguments.campaign.seed_count > 0) {
        campaign_run(&arguments.campaign, &result);
    }
    if (arguments.campaign.world.partition_nodes > 0) {
        partitions_print(&result.partition);
    }
    campaign_print(&result);
    return result.violations > 0 ? 1 : 0;
}
