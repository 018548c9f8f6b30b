/* How each class of fault begins and ends. Only sim/faults.c calls these.
 *
 * A class picks what it hits by itself; it may find nothing to hit and do nothing. */
#ifndef Q_SIM_FAULT_KINDS_H
#define Q_SIM_FAULT_KINDS_H

#include "sim/world.h"

/* Nothing is broken this time: it does not count as having happened. */
void fault_found_nothing(struct world *world);
/* Any node; in a third of the cases one that leads, where faults hurt most. */
node_id fault_pick_node(struct world *world);
/* A machine whose process is up and not paused, or NULL when the one drawn is not. */
struct host *fault_pick_host(struct world *world);
/* EVENT_FAULT_END of this class comes with `what` after so long. */
void fault_ends_after(struct world *world,
                      enum fault_class class,
                      uint64_t takes_us,
                      uint64_t what);
/* How long a fault lasts: most are short, some up to 20 s. */
uint64_t fault_draw_length(struct world *world);

/* fault_links.c: */
void fault_partition(struct world *world);
void fault_partition_end(struct world *world, uint64_t number);
void fault_one_way(struct world *world);
void fault_bridge(struct world *world);
void fault_link(struct world *world);
void fault_flap(struct world *world);
void fault_clog(struct world *world);
void fault_reset(struct world *world);
/* A partition that blocks nothing yet; NULL when there are too many. Fill in what it blocks and
 * whether it resets, then let it begin. FOREVER is a time too. */
struct partition *faults_partition_new(struct world *world);
void faults_partition_begin(struct world *world, struct partition *partition, uint64_t takes_us);
/* As faults_partition_begin, up and down with a period that is drawn. */
void faults_flap(struct world *world, struct partition *partition, uint64_t takes_us);

/* fault_frames.c: */
void fault_half_open(struct world *world);
void fault_half_open_end(struct world *world, uint64_t what);
void fault_cut(struct world *world);
void fault_foreign(struct world *world);
void fault_bandwidth(struct world *world);
void fault_bandwidth_end(struct world *world, uint64_t what);

/* fault_machines.c: */
void fault_kill(struct world *world);
void fault_power(struct world *world);
void fault_power_all(struct world *world);
void fault_kill_all(struct world *world);
void fault_pause(struct world *world);
void fault_suspend(struct world *world);
void fault_starved(struct world *world);
void fault_starved_end(struct world *world, uint64_t node);
void fault_resign(struct world *world);

/* fault_restarts.c: */
void fault_stop(struct world *world);
void fault_stop_end(struct world *world, uint64_t what);
/* The process is told to stop, and is down for so long then. */
void faults_stop(struct host *host, uint64_t down_us);
void fault_rolling(struct world *world);
void fault_rolling_end(struct world *world, uint64_t what);
void fault_crash_loop(struct world *world);
void fault_crash_loop_end(struct world *world, uint64_t what);
/* It dies now and so many times again soon after each start; CRASHES_FOREVER is a number too. */
void faults_loop_crashes(struct host *host, uint32_t times);

/* fault_forever.c: what stays broken when the rest is healed, if the run is one of those. */
void faults_stay(struct world *world);

/* fault_clocks.c: */
void fault_clock(struct world *world);
void fault_clock_end(struct world *world, uint64_t what);
void fault_clock_freeze(struct world *world);
void fault_clock_freeze_end(struct world *world, uint64_t node);
void fault_clock_jitter(struct world *world);
void fault_clock_jitter_end(struct world *world, uint64_t node);
void fault_clock_drift(struct world *world);

/* fault_disks.c: */
void fault_disk_slow(struct world *world);
void fault_disk_error(struct world *world);
void fault_disk_full(struct world *world);
void fault_disk_full_end(struct world *world, uint64_t node);
void fault_disk_hung(struct world *world);
void fault_disk_hung_end(struct world *world, uint64_t node);
void fault_disk_read(struct world *world);

/* fault_damage.c: */
void fault_rot(struct world *world);
void fault_lost(struct world *world);
void fault_misdirect(struct world *world);
void fault_files(struct world *world);
void fault_engine_rot(struct world *world);
void fault_wipe(struct world *world);
void fault_damage_end(struct world *world, uint64_t node);
void fault_backup(struct world *world);
void fault_backup_end(struct world *world, uint64_t node);
void fault_swap(struct world *world);

#endif
