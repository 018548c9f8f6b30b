/* A machine that records what it does: struct files and struct engine over a tape.
 *
 * Reads see everything written so far, as a page cache would show it; what is on the platter is the
 * tape's business. Nothing fails here but a sync that is told to, because of what it leaves behind:
 * faults that return errors are the simulator's (sim/disk).
 */
#ifndef Q_SIM_CRASH_MACHINE_H
#define Q_SIM_CRASH_MACHINE_H

#include "sim/crash/tape.h"
#include "store/file.h"

struct crash_machine;

/* Boots a machine on a tape, which it takes over and goes on recording. `flush_every`: the engine
 * flushes by itself after so many batches, as RocksDB does when a memtable is full; 0 = never. A
 * flush that is not waited for takes until the persisted state was looked at twice. The caller owns
 * it: crash_machine_free, when every file and engine object is closed. */
struct crash_machine *crash_machine_new(struct tape *tape, uint32_t flush_every);
void crash_machine_free(struct crash_machine *machine);

/* The next sync of a file fails with Q_EIO, and what it was to make durable is lost. */
void crash_machine_fail_sync(struct crash_machine *machine);
/* The process has been killed: the engine loses what it has not flushed. Call after every engine
 * object was given back. */
void crash_machine_kill(struct crash_machine *machine);

/* What a process on it uses. Borrowed for the machine's life. */
struct files *crash_machine_files(struct crash_machine *machine);
struct engine *crash_machine_engine(struct crash_machine *machine);
/* Everything so far. Borrowed. */
const struct tape *crash_machine_tape(const struct crash_machine *machine);
/* Operations recorded so far. */
size_t crash_machine_at(const struct crash_machine *machine);
uint64_t crash_machine_open_count(const struct crash_machine *machine);

#endif
