/* quorate-sim: runs the production node in simulated worlds, one per seed, and judges them. */
#include "base/os/log.h"
#include "sim/arguments.h"
#include "sim/build_commit.h"
#include "sim/seeds_file.h"

#include <inttypes.h>
#include <stdio.h>

#define ERROR_SIZE 512

struct replay {
    const struct campaign_options *campaign;
    struct campaign_result *result;
    bool misfits;
};

/* The options of the command line replace those of the line. */
static void run_line(void *context, const struct seeds_line *line)
{
    struct replay *replay = context;
    struct campaign_options one = *replay->campaign;
    uint64_t seed = 0;
    const char *error = NULL;
    one.first_seed = line->seed;
    one.seed_count = 1;
    one.changes = line->changes;
    option_changes_add(&one.changes, &replay->campaign->changes);
    if (campaign_fits(&one, &seed, &error)) {
        campaign_run(&one, replay->result);
    } else {
        (void)fprintf(stderr, "seed %" PRIu64 ": %s\n", seed, error);
        replay->misfits = true;
    }
}

static bool run_file(const struct arguments *arguments, struct campaign_result *result)
{
    char error[ERROR_SIZE] = "";
    struct replay replay = {.campaign = &arguments->campaign, .result = result};
    if (!seeds_file_read(arguments->seeds_file, run_line, &replay, error, sizeof error)) {
        (void)fprintf(stderr, "%s: %s\n", arguments->seeds_file, error);
        return false;
    }
    return !replay.misfits;
}

static void list_options(void)
{
    (void)printf("%-24s %12s %12s %12s\n", "option", "smallest", "largest", "plain");
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        const struct option *option = option_at(i);
        (void)printf("%-24s %12" PRIu64 " %12" PRIu64 " %12" PRIu64 "  %s\n", option->name,
                     option->min, option->max, option->plain, option->text);
    }
    (void)printf("%-24s %12d %12d %12d  %s\n", "draw", 0, 1, 1,
                 "0: all but what is given is plain");
    (void)printf("%-24s %38s  %s\n", "faults", "all, none, a list as kill:2,power:1-3",
                 "which faults happen");
}

int main(int count, char **values)
{
    struct arguments arguments = {.campaign.origin.commit = BUILD_COMMIT};
    char error[ERROR_SIZE] = "";
    if (!arguments_parse(count, values, &arguments, error, sizeof error)) {
        (void)fprintf(stderr, "quorate-sim: %s (see quorate-sim --help)\n", error);
        return 2;
    }
    if (arguments.helps) {
        (void)fputs(arguments_usage(), stdout);
        return 0;
    }
    if (arguments.lists) {
        list_options();
        return 0;
    }
    log_configure(arguments.campaign.verbose ? LOG_DEBUG : LOG_OFF, false);
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* The trace stays in step with the node's log. */
    struct campaign_result result = {0};
    if (arguments.seeds_file != NULL && !run_file(&arguments, &result)) {
        return 2;
    }
    if (arguments.campaign.seed_count > 0) {
        campaign_run(&arguments.campaign, &result);
    }
    if (option_changes_partition_nodes(&arguments.campaign.changes) > 0) {
        partitions_print(&result.partition);
    }
    campaign_print(&result);
    return result.violations > 0 ? 1 : 0;
}
