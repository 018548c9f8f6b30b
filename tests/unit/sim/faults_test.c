/* sim/faults: each class of fault of links, frames, processes and clocks does what it says, ends,
 * and does not happen by itself. */
#include "base/err.h"
#include "base/os/log.h"
#include "harness/test.h"
#include "sim/fault_kinds.h"

/* A calm cluster that has elected a leader some time ago. */
static struct world *calm_world(uint32_t nodes, uint64_t seed)
{
    struct sim_options options = {0};
    log_configure(LOG_OFF, false);
    sim_options_plain(&options, seed);
    options.node_count = nodes;
    options.client_count = 2;
    options.operation_count = 2000;
    options.duration_us = 600 * SECOND;
    struct world *world = world_new(&options);
    world_run_until(world, 6 * SECOND);
    REQUIRE(!world->violation.found);
    return world;
}

static void run_for(struct world *world, uint64_t us)
{
    world_run_until(world, world->now_us + us);
    if (world->violation.found) {
        (void)printf("# %s: %s\n", world->violation.checker, world->violation.reason);
    }
    REQUIRE(!world->violation.found);
}

static bool is_blocked(const struct world *world, node_id from, node_id to)
{
    return world->network.links[from][to].blocks > 0;
}

struct link_counts {
    uint32_t blocked;
    uint32_t one_way;
    uint32_t half_open;
    uint32_t capped;
    uint32_t down; /* Connections. */
};

static struct link_counts count_links(const struct world *world)
{
    struct link_counts counts = {0};
    for (node_id a = 1; a <= world->options.node_count; a++) {
        for (node_id b = 1; b <= world->options.node_count; b++) {
            if (a == b) {
                continue;
            }
            const struct network_link *link = &world->network.links[a][b];
            counts.blocked += link->blocks > 0;
            counts.one_way += link->blocks > 0 && !is_blocked(world, b, a);
            counts.half_open += link->is_half_open;
            counts.capped += link->bytes_per_second > 0;
            counts.down += !link->is_connected;
        }
    }
    return counts;
}

static node_id count_up(const struct world *world)
{
    node_id count = 0;
    for (node_id id = 1; id <= world->options.node_count; id++) {
        count += world->hosts[id].node != NULL;
    }
    return count;
}

static node_id leader_of(const struct world *world)
{
    for (node_id id = 1; id <= world->options.node_count; id++) {
        const struct raft *raft = host_raft(&world->hosts[id]);
        if (raft != NULL && raft->role == RAFT_LEADER && !host_is_paused(&world->hosts[id])) {
            return id;
        }
    }
    return NODE_NONE;
}

static uint64_t count_starts(const struct world *world)
{
    uint64_t count = 0;
    for (node_id id = 1; id <= world->options.node_count; id++) {
        count += world->hosts[id].incarnation;
    }
    return count;
}

TEST(nothing_goes_wrong_by_itself)
{
    struct world *world = calm_world(3, 1);
    run_for(world, 60 * SECOND);
    const struct link_counts counts = count_links(world);
    EXPECT(counts.blocked + counts.half_open + counts.capped + counts.down == 0);
    EXPECT(count_starts(world) == 3 && world->network.spoilt == 0 && leader_of(world) != 0);
    for (node_id id = 1; id <= 3; id++) {
        const struct host *host = &world->hosts[id];
        EXPECT(!host_is_paused(host) && host->starved_until_us == 0 && host->clock.drift_ppm == 0);
        EXPECT(host->clock.wall_offset_ms == 0 && host->clock.wall_stands_ms == 0 &&
               host->clock.wall_jitter_ms == 0);
    }
    world_free(world);
}

/* ---- links ---- */

TEST(a_group_cut_one_way_is_heard_or_hears_but_not_both)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *world = calm_world(3, seed);
        fault_one_way(world);
        const struct link_counts counts = count_links(world);
        EXPECT(counts.blocked >= 2 && counts.one_way == counts.blocked);
        run_for(world, 21 * SECOND);
        EXPECT(count_links(world).blocked == 0);
        world_free(world);
    }
}

/* Whom the nodes of a set can reach over open pairs, as a set with bits by id. */
static uint32_t neighbours(const struct world *world, uint32_t set)
{
    uint32_t found = set;
    for (node_id a = 1; a <= world->options.node_count; a++) {
        for (node_id b = 1; b <= world->options.node_count; b++) {
            const bool is_open = a != b && network_is_open(&world->network, a, b);
            found |= is_open && (set >> a & 1) != 0 ? UINT32_C(1) << b : 0;
        }
    }
    return found;
}

static bool all_are_reached(const struct world *world)
{
    uint32_t reached = 2; /* Node 1. */
    for (uint32_t i = 0; i < world->options.node_count; i++) {
        reached = neighbours(world, reached);
    }
    return reached == (UINT32_C(2) << world->options.node_count) - 2;
}

TEST(a_bridge_leaves_everybody_connected_over_others)
{
    uint32_t fewest = UINT32_MAX;
    uint32_t most = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *world = calm_world(5, seed);
        fault_bridge(world);
        const struct link_counts counts = count_links(world);
        EXPECT(counts.blocked > 0 && counts.one_way == 0);
        EXPECT(all_are_reached(world));
        fewest = counts.blocked < fewest ? counts.blocked : fewest;
        most = counts.blocked > most ? counts.blocked : most;
        run_for(world, 21 * SECOND);
        EXPECT(count_links(world).blocked == 0);
        world_free(world);
    }
    EXPECT(fewest == 8 && most == 12); /* One node between two pairs; a chain. */
}

TEST(two_nodes_have_no_bridge)
{
    struct world *world = calm_world(2, 1);
    fault_bridge(world);
    EXPECT(count_links(world).blocked == 0);
    world_free(world);
}

TEST(flapping_links_go_down_and_up_and_stay_up_in_the_end)
{
    struct world *world = calm_world(3, 4);
    fault_flap(world);
    bool was_up = false;
    uint32_t changes = 0;
    EXPECT(count_links(world).blocked > 0);
    for (uint64_t i = 0; i < 3100; i++) {
        run_for(world, 10 * MILLISECOND);
        const bool is_up = count_links(world).blocked == 0;
        changes += is_up != was_up;
        was_up = is_up;
    }
    EXPECT(changes >= 3 && was_up);
    world_free(world);
}

TEST(a_half_open_connection_is_noticed_within_three_seconds_and_made_again)
{
    uint32_t seen = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world *world = calm_world(3, seed);
        fault_half_open(world);
        const uint32_t half_open = count_links(world).half_open;
        seen += half_open;
        EXPECT(count_links(world).down == 0);
        run_for(world, 4 * SECOND);
        EXPECT(count_links(world).half_open == 0 && count_links(world).down == 0);
        world_free(world);
    }
    EXPECT(seen > 10);
}

/* ---- frames ---- */

static uint64_t count_epochs(const struct world *world)
{
    uint64_t count = 0;
    for (node_id a = 1; a <= world->options.node_count; a++) {
        for (node_id b = 1; b <= world->options.node_count; b++) {
            count += world->network.links[a][b].epoch;
        }
    }
    return count;
}

TEST(connections_that_end_within_a_frame_are_made_again)
{
    struct world *world = calm_world(3, 1);
    const uint64_t before = count_epochs(world);
    for (int i = 0; i < 50; i++) {
        fault_cut(world);
        run_for(world, SECOND);
    }
    EXPECT(world->network.spoilt > 10);
    EXPECT(count_epochs(world) == before + world->network.spoilt);
    run_for(world, SECOND);
    EXPECT(count_links(world).down == 0 && leader_of(world) != NODE_NONE);
    world_free(world);
}

/* What they must not do the checkers of the world say: check_foreign is among them. */
TEST(misaddressed_frames_end_connections_at_most)
{
    struct world *world = calm_world(3, 1);
    const uint64_t before = count_epochs(world);
    for (int i = 0; i < 50; i++) {
        fault_foreign(world);
        run_for(world, SECOND);
    }
    const uint64_t broken = count_epochs(world) - before;
    EXPECT(broken > 5 && broken < world->network.spoilt);
    run_for(world, SECOND);
    EXPECT(count_links(world).down == 0 && count_starts(world) == 3);
    world_free(world);
}

TEST(narrow_links_become_wide_again)
{
    uint32_t capped = 0;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world *world = calm_world(3, seed);
        fault_bandwidth(world);
        capped += count_links(world).capped;
        run_for(world, 21 * SECOND);
        EXPECT(count_links(world).capped == 0);
        world_free(world);
    }
    EXPECT(capped >= 12);
}

/* ---- processes ---- */

TEST(all_processes_die_at_once_and_come_back)
{
    struct world *world = calm_world(3, 1);
    fault_kill_all(world);
    EXPECT(count_up(world) == 0);
    run_for(world, 4 * SECOND);
    EXPECT(count_up(world) == 3 && count_starts(world) == 6);
    world_free(world);
}

TEST(a_process_in_a_crash_loop_dies_several_times_and_then_stays)
{
    struct world *world = calm_world(3, 2);
    fault_crash_loop(world);
    EXPECT(count_up(world) == 2);
    run_for(world, 20 * SECOND);
    const uint64_t starts = count_starts(world);
    EXPECT(starts >= 6 && starts <= 14 && count_up(world) == 3);
    run_for(world, 20 * SECOND);
    EXPECT(count_starts(world) == starts);
    world_free(world);
}

TEST(a_process_may_die_within_its_start)
{
    struct world *world = calm_world(3, 2);
    struct host *host = &world->hosts[1];
    host_crash(host, true, SECOND);
    disk_boot(host->disk);
    disk_die_after(host->disk, 5);
    host->crashes_left = 3; /* As faults_starting does when it is its turn. */
    EXPECT(!faults_died_in_start(host));
    struct file *file = NULL;
    const struct files *files = disk_files(host->disk);
    for (int i = 0; i < 5; i++) {
        (void)files->open(files->context, "nothing", false, &file);
    }
    EXPECT(faults_died_in_start(host) && host->crashes_left == 2);
    host->crashes_left = 0;
    EXPECT(!faults_died_in_start(host)); /* Not its doing. */
    disk_kill(host->disk);
    run_for(world, 5 * SECOND);
    EXPECT(count_up(world) == 3);
    world_free(world);
}

TEST(a_leader_told_to_stop_hands_over_first)
{
    struct world *world = calm_world(3, 3);
    const node_id leader = leader_of(world);
    faults_stop(&world->hosts[leader], 5 * SECOND);
    EXPECT(world->hosts[leader].stop.stage == STOP_RESIGNING);
    uint64_t waited_ms = 0;
    while (world->hosts[leader].node != NULL && waited_ms < 6000) {
        run_for(world, 10 * MILLISECOND);
        waited_ms += 10;
    }
    EXPECT(world->hosts[leader].node == NULL && waited_ms < 2500);
    EXPECT(leader_of(world) != NODE_NONE && leader_of(world) != leader);
    run_for(world, 6 * SECOND);
    EXPECT(count_up(world) == 3 && count_starts(world) == 4);
    world_free(world);
}

TEST(a_rolling_restart_takes_each_node_once_and_one_at_a_time)
{
    struct world *world = calm_world(3, 3);
    fault_rolling(world);
    node_id fewest = 3;
    for (int i = 0; i < 6000 && (i == 0 || world->rolling.next != NODE_NONE); i++) {
        run_for(world, 10 * MILLISECOND);
        fewest = count_up(world) < fewest ? count_up(world) : fewest;
    }
    EXPECT(world->rolling.next == NODE_NONE && fewest == 2 && count_up(world) == 3);
    for (node_id id = 1; id <= 3; id++) {
        EXPECT(world->hosts[id].incarnation == 2);
    }
    world_free(world);
}

/* The one that is not as the others are. */
static struct host *paused_host(struct world *world)
{
    for (node_id id = 1; id <= world->options.node_count; id++) {
        if (host_is_paused(&world->hosts[id])) {
            return &world->hosts[id];
        }
    }
    return NULL;
}

static uint64_t reading(const struct host *host)
{
    return sim_clock_monotonic_ms(&host->clock, host->world->now_us);
}

/* Lets a pause begin and says by how much its clock went on until it ended. */
static uint64_t pass_pause(struct world *world, void (*fault)(struct world *world))
{
    fault(world);
    const struct host *host = paused_host(world);
    REQUIRE(host != NULL);
    const uint64_t before = reading(host);
    const uint64_t takes_us = host->paused_until_us - world->now_us;
    REQUIRE(takes_us >= 10 * MILLISECOND && takes_us <= 60 * SECOND);
    world_run_until(world, host->paused_until_us);
    REQUIRE(!host_is_paused(host) && !world->violation.found);
    const uint64_t passed = reading(host) - before;
    REQUIRE(passed == 0 || passed >= takes_us / MILLISECOND);
    return passed;
}

TEST(a_paused_process_finds_its_clock_ahead_a_suspended_one_where_it_was)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct world *world = calm_world(3, seed);
        EXPECT(pass_pause(world, fault_pause) > 0);
        run_for(world, SECOND);
        EXPECT(pass_pause(world, fault_suspend) == 0);
        run_for(world, 5 * SECOND);
        EXPECT(leader_of(world) != NODE_NONE);
        world_free(world);
    }
}

TEST(a_pause_can_end_early)
{
    struct world *world = calm_world(3, 1);
    struct host *host = &world->hosts[leader_of(world)];
    host_pause(host, 60 * SECOND);
    sim_clock_suspend(&host->clock, world->now_us, world->now_us + 60 * SECOND);
    run_for(world, 5 * SECOND);
    const uint64_t before = reading(host);
    host_resume(host);
    EXPECT(!host_is_paused(host));
    run_for(world, SECOND);
    EXPECT(reading(host) == before + 1000);
    run_for(world, 5 * SECOND);
    EXPECT(leader_of(world) != NODE_NONE);
    world_free(world);
}

TEST(a_starved_process_is_away_most_of_the_time)
{
    struct world *world = calm_world(3, 1);
    struct host *host = &world->hosts[2];
    host->starved_until_us = world->now_us + 10 * SECOND;
    uint32_t away = 0;
    uint32_t here = 0;
    for (int i = 0; i < 1000; i++) {
        run_for(world, 10 * MILLISECOND);
        away += host_is_paused(host);
        here += !host_is_paused(host);
    }
    EXPECT(away > 5 * here);
    run_for(world, SECOND);
    EXPECT(!host_is_paused(host));
    world_free(world);
}

/* ---- clocks ---- */

static struct sim_clock *odd_clock(struct world *world)
{
    for (node_id id = 1; id <= world->options.node_count; id++) {
        struct sim_clock *clock = &world->hosts[id].clock;
        if (clock->wall_offset_ms != 0 || clock->wall_stands_ms != 0 ||
            clock->wall_jitter_ms != 0 || clock->drift_ppm != 0) {
            return clock;
        }
    }
    return NULL;
}

TEST(wall_clocks_jump_by_an_hour_and_back_or_less_and_stay)
{
    uint32_t hours = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct world *world = calm_world(1, seed);
        fault_clock(world);
        const int64_t offset = world->hosts[1].clock.wall_offset_ms;
        run_for(world, 21 * SECOND);
        if (offset == 3600000 || offset == -3600000) {
            hours++;
            EXPECT(world->hosts[1].clock.wall_offset_ms == 0);
        } else {
            EXPECT(offset > -40001 && offset < 40001 &&
                   world->hosts[1].clock.wall_offset_ms == offset);
        }
        world_free(world);
    }
    EXPECT(hours > 0 && hours < 15);
}

TEST(wall_clocks_stand_still_or_waver_for_a_while)
{
    struct world *world = calm_world(3, 1);
    fault_clock_freeze(world);
    EXPECT(odd_clock(world) != NULL && odd_clock(world)->wall_stands_ms > 0);
    run_for(world, 21 * SECOND);
    EXPECT(odd_clock(world) == NULL);
    fault_clock_jitter(world);
    EXPECT(odd_clock(world) != NULL && odd_clock(world)->wall_jitter_ms > 0);
    run_for(world, 21 * SECOND);
    EXPECT(odd_clock(world) == NULL);
    world_free(world);
}

TEST(a_monotonic_clock_takes_another_rate_and_does_not_jump)
{
    struct world *world = calm_world(3, 1);
    uint64_t before[4];
    for (node_id id = 1; id <= 3; id++) {
        before[id] = reading(&world->hosts[id]);
    }
    fault_clock_drift(world);
    EXPECT(odd_clock(world) != NULL && odd_clock(world)->drift_ppm != 0);
    for (node_id id = 1; id <= 3; id++) {
        EXPECT(reading(&world->hosts[id]) == before[id]);
    }
    run_for(world, 10 * SECOND);
    EXPECT(leader_of(world) != NODE_NONE);
    world_free(world);
}

/* ---- for ever ---- */

static node_id count_outside(const struct world *world)
{
    node_id count = 0;
    for (node_id id = 1; id <= world->options.node_count; id++) {
        count += world->hosts[id].is_outside;
    }
    return count;
}

TEST(a_minority_stays_broken_when_it_is_to_and_the_core_goes_on)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world *world = calm_world(seed % 2 == 0 ? 5 : 3, seed);
        world->options.permanent = true;
        world->operations_left = 0;
        world->phase_until_us = world->now_us;
        run_for(world, SECOND / 10);
        EXPECT(world->phase != PHASE_FIRE);
        const node_id outside = count_outside(world);
        EXPECT(outside >= 1 && outside <= (world->options.node_count - 1) / 2);
        world_run_until(world, UINT64_MAX);
        EXPECT(world->phase == PHASE_OVER && !world->violation.found);
        EXPECT(count_outside(world) == outside);
        world_free(world);
    }
}

TEST(nobody_stays_broken_in_a_cluster_that_can_spare_none)
{
    for (uint32_t nodes = 1; nodes <= 5; nodes++) {
        struct world *world = calm_world(nodes, 1);
        world->options.permanent = nodes <= 2;
        faults_stay(world);
        EXPECT(count_outside(world) == 0);
        if (nodes > 2) { /* Before the cluster has formed it can spare none either. */
            world->options.permanent = true;
            world->hosts[2].has_formed = false;
            faults_stay(world);
            EXPECT(count_outside(world) == 0);
            world->hosts[2].has_formed = true;
            faults_stay(world);
            EXPECT(count_outside(world) > 0);
        }
        world_free(world);
    }
}

/* ---- clients ---- */

static struct world *world_with_clients(uint32_t cut_ppm, uint32_t slow_ppm, uint32_t idle)
{
    struct sim_options options = {0};
    log_configure(LOG_OFF, false);
    sim_options_plain(&options, 5);
    options.node_count = 1;
    options.client_count = 4;
    options.operation_count = 4000;
    options.duration_us = 60 * SECOND;
    options.client_cut_ppm = cut_ppm;
    options.client_slow_ppm = slow_ppm;
    options.client_bytes_ppm = 500000;
    options.idle_connections = idle;
    struct world *world = world_new(&options);
    world_run_until(world, 30 * SECOND);
    REQUIRE(!world->violation.found);
    return world;
}

static uint64_t count_connections(const struct world *world)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < world->options.client_count; i++) {
        count += world->clients[i].connection;
    }
    return count;
}

TEST(clients_that_go_away_leave_no_session_behind)
{
    struct world *whole = world_with_clients(0, 0, 0);
    struct world *cut = world_with_clients(400000, 0, 0);
    EXPECT(whole->operations_done > 1000);
    EXPECT(count_connections(cut) > whole->operations_done / 4);
    EXPECT(cut->hosts[1].front.session_count <= 4);
    world_free(whole);
    world_free(cut);
}

TEST(clients_that_read_late_get_their_answers)
{
    struct world *fast = world_with_clients(0, 0, 0);
    struct world *slow = world_with_clients(0, 1000000, 0);
    EXPECT(slow->operations_done > 20 && slow->operations_done < fast->operations_done / 2);
    world_free(fast);
    world_free(slow);
}

TEST(idle_connections_stand_until_the_process_goes)
{
    struct world *world = world_with_clients(0, 0, IDLE_MAX);
    struct host *host = &world->hosts[1];
    EXPECT(host->front.session_count >= IDLE_MAX && host->idle[IDLE_MAX - 1] != NULL);
    host_crash(host, false, SECOND);
    EXPECT(host->idle[0] == NULL && !world->violation.found);
    run_for(world, 2 * SECOND);
    EXPECT(host->idle[0] != NULL);
    world_free(world);
}

/* ---- disks ---- */

/* Runs until the node writes its log. */
static struct host *busy_host(struct world *world)
{
    struct host *host = &world->hosts[1];
    while (!host->log_is_busy) {
        run_for(world, 100);
    }
    return host;
}

TEST(a_process_may_stop_itself_only_if_its_disk_has_failed_it)
{
    struct world *world = calm_world(3, 40);
    struct host *host = busy_host(world);
    disk_faults(host->disk)->sync_fails = true;
    run_for(world, 5 * SECOND);
    EXPECT(host->incarnation == 2 && host->node != NULL);

    host = busy_host(world);
    const struct event failed = {.a = (uint64_t)-Q_EIO};
    host_log(host, &failed); /* The device has not said that. */
    world_run_until(world, world->now_us + SECOND);
    EXPECT(world->violation.found && strcmp(world->violation.checker, "stops") == 0);
    world_free(world);
}

static int list_nothing(void *context,
                        const char *directory,
                        void (*visit)(void *, const char *name),
                        void *visit_context)
{
    (void)context;
    (void)directory;
    (void)visit;
    (void)visit_context;
    return Q_EIO;
}

TEST(a_start_may_fail_only_if_the_disk_has_failed_it)
{
    struct world *world = calm_world(3, 41);
    struct host *host = &world->hosts[1];
    host_crash(host, true, SECOND);
    disk_faults(host->disk)->full = true;
    run_for(world, 2 * SECOND);
    EXPECT(host->node == NULL && host->incarnation > 3); /* It tries again and again. */
    disk_faults(host->disk)->full = false;
    run_for(world, SECOND);
    EXPECT(host->node != NULL);

    host_crash(host, false, SECOND);
    disk_files(host->disk)->list = list_nothing; /* Behind the back of its faults. */
    world_run_until(world, world->now_us + 2 * SECOND);
    EXPECT(world->violation.found && strcmp(world->violation.checker, "start") == 0);
    world_free(world);
}

TEST_MAIN(CASE(a_process_may_stop_itself_only_if_its_disk_has_failed_it),
          CASE(a_start_may_fail_only_if_the_disk_has_failed_it),
          CASE(nothing_goes_wrong_by_itself),
          CASE(a_group_cut_one_way_is_heard_or_hears_but_not_both),
          CASE(a_bridge_leaves_everybody_connected_over_others),
          CASE(two_nodes_have_no_bridge),
          CASE(flapping_links_go_down_and_up_and_stay_up_in_the_end),
          CASE(a_half_open_connection_is_noticed_within_three_seconds_and_made_again),
          CASE(connections_that_end_within_a_frame_are_made_again),
          CASE(misaddressed_frames_end_connections_at_most),
          CASE(narrow_links_become_wide_again),
          CASE(all_processes_die_at_once_and_come_back),
          CASE(a_process_in_a_crash_loop_dies_several_times_and_then_stays),
          CASE(a_process_may_die_within_its_start),
          CASE(a_leader_told_to_stop_hands_over_first),
          CASE(a_rolling_restart_takes_each_node_once_and_one_at_a_time),
          CASE(a_paused_process_finds_its_clock_ahead_a_suspended_one_where_it_was),
          CASE(a_pause_can_end_early),
          CASE(a_starved_process_is_away_most_of_the_time),
          CASE(wall_clocks_jump_by_an_hour_and_back_or_less_and_stay),
          CASE(wall_clocks_stand_still_or_waver_for_a_while),
          CASE(a_monotonic_clock_takes_another_rate_and_does_not_jump),
          CASE(a_minority_stays_broken_when_it_is_to_and_the_core_goes_on),
          CASE(nobody_stays_broken_in_a_cluster_that_can_spare_none),
          CASE(clients_that_go_away_leave_no_session_behind),
          CASE(clients_that_read_late_get_their_answers),
          CASE(idle_connections_stand_until_the_process_goes))
