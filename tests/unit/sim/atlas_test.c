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

TEST(damaged_and_broken_nodes_are_a_minority_together)
{
    struct world *world = world_of(5);
    atlas_damaged(&world->hosts[1]);
    EXPECT(atlas_may_stay_broken(world, &world->hosts[1]));
    EXPECT(atlas_may_stay_broken(world, &world->hosts[2]));
    world->hosts[2].is_outside = true;
    EXPECT(!atlas_may_stay_broken(world, &world->hosts[3]));
    EXPECT(atlas_may_stay_broken(world, &world->hosts[1]));
    heap_free(world);
    world = world_of(2);
    EXPECT(!atlas_may_stay_broken(world, &world->hosts[1]));
    heap_free(world);
}

TEST(the_core_is_who_is_neither_broken_for_ever_nor_refuses_to_start)
{
    struct world *world = world_of(5);
    world->hosts[2].is_outside = true;
    world->hosts[3].is_condemned = true;
    world->hosts[4].is_damaged = true; /* It may still prove to be whole. */
    EXPECT(atlas_is_in_core(world, 1) && atlas_is_in_core(world, 4) && atlas_is_in_core(world, 5));
    EXPECT(!atlas_is_in_core(world, 2) && !atlas_is_in_core(world, 3));
    heap_free(world);
}

TEST_MAIN(CASE(a_minority_of_the_disks_may_be_damaged_and_no_more),
          CASE(a_damaged_disk_may_be_damaged_again_but_no_other_in_its_place),
          CASE(a_repaired_disk_makes_room_for_the_next),
          CASE(damaged_and_broken_nodes_are_a_minority_together),
          CASE(the_core_is_who_is_neither_broken_for_ever_nor_refuses_to_start))
