/* Which faults may meet: the rule by which a run stays one that a correct cluster must survive.
 *
 * DESIGN
 *
 * A fault that passes takes nothing that was promised: any number of processes, links and clocks
 * may be hit by such at the same time, all machines may lose power at once, and the cluster has to
 * come back when they end. A fault that damages takes or changes what a disk had promised to keep,
 * and nothing brings that back but the other machines. So it may hit a minority at most, counted
 * over the whole run until the machine is known to be whole again: what is committed was durable on
 * a majority, hence a good copy of it is left. What a damaged machine owes instead is to notice: it
 * may refuse to start, or start over; it may never serve, acknowledge or spread what is wrong.
 *
 * With one or two nodes there is no minority to spare: nothing is damaged there.
 *
 * The same count says what may stay broken for ever, once the faults of a run end: everything but a
 * core, which is a majority of the nodes, none of them damaged, all connected with each other. The
 * core owes convergence, answers and a leader that stays, whatever the rest does.
 */
#ifndef Q_SIM_ATLAS_H
#define Q_SIM_ATLAS_H

#include "base/ids.h"

#include <stdbool.h>
#include <stddef.h>

struct host;
struct world;

/* True when what this machine has on its disk may be damaged now; it may be one that is damaged
 * already. Whoever does so calls atlas_damaged. */
bool atlas_may_damage(const struct world *world, const struct host *host);
/* Its disk is not what it was. Until atlas_repaired it counts as lost to the cluster. */
void atlas_damaged(struct host *host);
/* It holds everything again that a machine like it must, as judged by the fault that damaged it. */
void atlas_repaired(struct host *host);
size_t atlas_damaged_count(const struct world *world);
/* True when this node may stay broken for ever, besides those that do so already. */
bool atlas_may_stay_broken(const struct world *world, const struct host *host);
/* True for each node that has to be well after the faults: not those that stay broken, nor those
 * that have rightly refused to start. */
bool atlas_is_in_core(const struct world *world, node_id id);

#endif
