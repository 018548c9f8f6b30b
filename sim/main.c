/* quorate-sim: runs the production node in simulated worlds, one per seed, and judges them. */
#include "base/os/log.h"
#include "sim/arguments.h"
#include "sim/attempt.h"
#include "sim/build_commit.h"
#include "sim/seeds_file.h"
#include "sim/shrink.h"

#include <inttypes.h>
#include <stdio.h>

#define ERROR_SIZE      512
#define SHRINK_LIMIT_MS 120000

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

/* Puts the options of a smaller run in place of the given ones. */
static void shrink_first(struct arguments *arguments)
{
    struct campaign_options *campaign = &arguments->campaign;
    const struct shrink_limits limits = {
        .jobs = campaign->jobs,
        .time_limit_ms = campaign->time_limit_ms > 0 ? campaign->time_limit_ms : SHRINK_LIMIT_MS};
    struct sim_options options = {0};
    const char *error = NULL;
    (void)option_changes_resolve(&campaign->changes, campaign->first_seed, &options, &error);
    if (!shrink(&options, &limits)) {
        (void)printf("shrink: this run does not fail\n");
        return;
    }
    option_changes_of(&options, &campaign->changes);
    campaign->time_limit_ms = 0;
    if (arguments->tail > 0) {
        struct buf trace = {0};
        attempt_trace(&options, arguments->tail, &trace);
        const struct bytes lines = buf_bytes(&trace);
        (void)fwrite(lines.data, 1, lines.size, stdout);
        buf_deinit(&trace);
    }
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
    if (arguments.wants_crashes) {
        return crash_campaign(&arguments.crash);
    }
    struct campaign_result result = {0};
    if (arguments.seeds_file != NULL && !run_file(&arguments, &result)) {
        return 2;
    }
    if (arguments.shrinks) {
        shrink_first(&arguments);
    }
    if (arguments.campaign.seed_count > 0) {
        campaign_run(&arguments.campaign, &result);
    }
    if (option_changes_partition_nodes(&arguments.campaign.changes) > 0) {
        partitions_print(&result.partition);
    }
    if (arguments.prints_marks) {
        coverage_print(&result.coverage);
    }
    if (arguments.requires_marks && !coverage_judge(&result.coverage)) {
        result.violations++;
    }
    campaign_print(&result);
    return result.violations > 0 ? 1 : 0;
}
