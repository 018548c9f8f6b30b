/* The storage engine of a simulated machine: the memory engine, with power.
 *
 * Between power loss and restart every write fails, so that a process being torn down cannot leave
 * anything behind, and what was not flushed is rolled back to some persisted prefix.
 */
#ifndef Q_SIM_ENGINE_H
#define Q_SIM_ENGINE_H

#include "store/engine.h"

/* `flush_ppm`: how often a write makes everything persistent, as RocksDB does when a memtable is
 * full. A flush that nobody waits for takes up to `flush_polls_max` looks at what is persistent; 0:
 * it is done at once. The caller owns it: sim_engine_free. */
struct engine *sim_engine_new(uint64_t seed, uint32_t flush_ppm, uint32_t flush_polls_max);
void sim_engine_free(struct engine *engine);
/* What it holds now, all of it persistent; it is off. The caller owns it: sim_engine_free. */
struct engine *sim_engine_copy(struct engine *engine);
/* From now on a part of its keys (the `which`-th of `of_count` parts) reads as Q_ECORRUPT. No
 * parts: all is well. */
void sim_engine_rot(struct engine *engine, uint64_t which, uint64_t of_count);
void sim_engine_power_off(struct engine *engine);
/* After the process has let go of its snapshots and iterators. */
void sim_engine_power_on(struct engine *engine);
/* Everything is lost: a new disk. */
void sim_engine_wipe(struct engine *engine);
/* A hash of everything it holds (sim/digest), at no cost. 0 before it was first powered on. */
uint64_t sim_engine_digest(struct engine *engine);

#endif
