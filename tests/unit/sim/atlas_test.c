/* sim/atlas: how many disks may be damaged at a time, and which. */
#include "base/os/heap.h"
#include "harness/test.h"
#include "sim/atlas.h"
#include "sim/world.h"

static struct world *world_of(uint32_t nodes)
{
    struct world *world = heap_alloc(sizeof *world);
    world->options.node_count = nodes;
    return world;
}

/* How many of them may be damaged one after the other. */
static size_t most_damaged(uint32_t nodes)
{
    struct world *world = world_of(nodes);
    for (node_id id = 1; id <= nodes && atlas_may_damage(world, &world->hosts[id]); id++) {
        atlas_damaged(&world->hosts[id]);
    }
    const size_t count = atlas_damaged_count(world);
    heap_free(world);
    return count;
}

TEST(a_minority_of_the_disks_may_be_damaged_and_no_more)
{
    EXPECT(most_damaged(1) == 0 && most_damaged(2) == 0);
    EXPECT(most_damaged(3) == 1 && most_damaged(4) == 1);
    EXPECT(most_damaged(5) == 2 && most_damaged(7) == 3);
}

TEST(a_damaged_disk_may_be_damaged_again_but_no_other_in_its_place)
{
    struct world *world = world_of(3);
    atlas_damaged(&world->hosts[2]);
    EXPECT(atlas_may_damage(world, &world->hosts[2]));
    EXPECT(!atlas_may_damage(world, &world->hosts[1]) &&
           !atlas_may_damage(world, &world->hosts[3]));
    heap_free(world);
}

TEST(a_repaired_disk_makes_room_for_the_next)
{
    struct world *world = world_of(3);
    atlas_damaged(&world->hosts[2]);
    atlas_repaired(&world->hosts[2]);
    EXPECT(atlas_damaged_count(world) == 0 && atlas_may_damage(world, &world->hosts[3]));
    heap_free(world);
}

TEST_MAIN(CASE(a_minority_of_the_disks_may_be_damaged_and_no_more),
          CASE(a_damaged_disk_may_be_damaged_again_but_no_other_in_its_place),
          CASE(a_repaired_disk_makes_room_for_the_next))
