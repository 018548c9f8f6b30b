/* The workloads as processes: who runs what, the table, the last line. */
#include "base/check.h"
#include "base/os/heap.h"
#include "sim/check/violation.h"
#include "sim/crash/crash.h"
#include "sim/crash/workloads.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* One workload's, in memory shared with its process. */
struct share {
    struct crash_place place;
    struct crash_result result;
};

struct campaign {
    const struct crash_options *options;
    struct share *shares; /* By workload. */
    pid_t *pids;          /* By workload: 0 = not running. */
};

static bool is_chosen(const struct crash_options *options, size_t workload)
{
    return options->workload == NULL ||
           strcmp(options->workload, CRASH_WORKLOADS[workload].name) == 0;
}

static void start(struct campaign *campaign, size_t workload)
{
    (void)fflush(stdout);
    const pid_t pid = fork();
    Q_CHECK(pid >= 0);
    if (pid == 0) {
        struct share *share = &campaign->shares[workload];
        crash_enumerate(&CRASH_WORKLOADS[workload], campaign->options, &share->place,
                        &share->result);
        (void)fflush(stdout);
        _exit(0);
    }
    campaign->pids[workload] = pid;
}

/* Waits for one of them to end; one that died of a state is a violation of its own. */
static void wait_for_one(struct campaign *campaign)
{
    int status = 0;
    pid_t pid = -1;
    while (pid < 0) {
        pid = waitpid(-1, &status, 0);
        Q_CHECK(pid >= 0 || errno == EINTR);
    }
    for (size_t i = 0; i < CRASH_WORKLOAD_COUNT; i++) {
        if (campaign->pids[i] != pid) {
            continue;
        }
        campaign->pids[i] = 0;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            struct violation violation = {.found = false};
            violation_report(
                &violation, "assertion",
                "the process died (a failed Q_CHECK or a sanitizer; see stderr above)");
            campaign->shares[i].result.violations++;
            crash_print_violation(&CRASH_WORKLOADS[i], campaign->options,
                                  &campaign->shares[i].place, &violation);
        }
    }
}

/* Whether another workload may be started. */
static bool may_go_on(const struct campaign *campaign)
{
    bool is_clean = true;
    for (size_t i = 0; i < CRASH_WORKLOAD_COUNT; i++) {
        is_clean = is_clean && campaign->shares[i].result.violations == 0;
    }
    return is_clean || !campaign->options->stop_at_violation;
}

static void print_table(const struct campaign *campaign, struct crash_result *sum)
{
    uint64_t workloads = 0;
    (void)printf("%-19s %10s %9s %9s %10s %9s\n", "workload", "operations", "crashes", "states",
                 "recoveries", "deeper");
    for (size_t i = 0; i < CRASH_WORKLOAD_COUNT; i++) {
        const struct crash_result *one = &campaign->shares[i].result;
        if (!is_chosen(campaign->options, i)) {
            continue;
        }
        const uint64_t deeper = one->recoveries[1] + one->recoveries[2];
        (void)printf("%-19s %10" PRIu64 " %9" PRIu64 " %9" PRIu64 " %10" PRIu64 " %9" PRIu64 "\n",
                     CRASH_WORKLOADS[i].name, one->operations,
                     one->cuts[0] + one->cuts[1] + one->cuts[2], one->states, one->recoveries[0],
                     deeper);
        workloads++;
        sum->states += one->states;
        sum->recoveries[0] += one->recoveries[0] + deeper;
        sum->violations += one->violations;
        sum->hash += one->hash;
    }
    (void)printf("states=%" PRIu64 " recoveries=%" PRIu64 " workloads=%" PRIu64
                 " violations=%" PRIu64 " hash=%016" PRIx64 "\n",
                 sum->states, sum->recoveries[0], workloads, sum->violations, sum->hash);
}

int crash_campaign(const struct crash_options *options)
{
    if (options->workload != NULL && crash_workload_find(options->workload) == NULL) {
        (void)fprintf(stderr, "no workload '%s'; there are:\n", options->workload);
        for (size_t i = 0; i < CRASH_WORKLOAD_COUNT; i++) {
            (void)fprintf(stderr, "  %-19s %s\n", CRASH_WORKLOADS[i].name, CRASH_WORKLOADS[i].text);
        }
        return 2;
    }
    const size_t size = CRASH_WORKLOAD_COUNT * sizeof(struct share);
    struct campaign campaign = {.options = options};
    campaign.shares = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    Q_CHECK(campaign.shares != MAP_FAILED);
    campaign.pids = heap_alloc(CRASH_WORKLOAD_COUNT * sizeof *campaign.pids);
    uint32_t running = 0;
    for (size_t i = 0; i < CRASH_WORKLOAD_COUNT; i++) {
        if (!is_chosen(options, i)) {
            continue;
        }
        if (running == options->jobs) {
            wait_for_one(&campaign);
            running--;
        }
        if (!may_go_on(&campaign)) {
            break;
        }
        start(&campaign, i);
        running++;
    }
    for (; running > 0; running--) {
        wait_for_one(&campaign);
    }
    struct crash_result sum = {.states = 0};
    print_table(&campaign, &sum);
    (void)munmap(campaign.shares, size);
    heap_free(campaign.pids);
    return sum.violations > 0 ? 1 : 0;
}
