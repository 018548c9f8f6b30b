/* sim/footprint and sim/heap_count: what is more than options allow is reported, and only that. */
#include "base/os/heap.h"
#include "harness/test.h"
#include "sim/footprint.h"
#include "sim/heap_count.h"

#include <string.h>

static bool is_reported(struct violation *violation)
{
    const bool found = violation->found && strcmp(violation->checker, "footprint") == 0;
    *violation = (struct violation){0};
    return found;
}

TEST(files_and_heap_are_reported_one_byte_past_their_limit)
{
    struct sim_options options = {0};
    sim_options_plain(&options, 1);
    const struct footprint_load load = {.operations = 1000};
    struct footprint footprint;
    struct violation violation = {0};
    footprint_of(&options, &load, &footprint);
    footprint_check_disk(&violation, &footprint, 1, footprint.disk_max);
    footprint_check_heap(&violation, &footprint, footprint.heap_max);
    EXPECT(!violation.found);
    footprint_check_disk(&violation, &footprint, 1, footprint.disk_max + 1);
    EXPECT(is_reported(&violation));
    footprint_check_heap(&violation, &footprint, footprint.heap_max + 1);
    EXPECT(is_reported(&violation));
}

TEST(limits_grow_with_what_is_kept_and_written)
{
    struct sim_options options = {0};
    sim_options_plain(&options, 1);
    struct footprint_load load = {.operations = 1000};
    struct footprint plain;
    struct footprint more;
    footprint_of(&options, &load, &plain);
    options.log_keep_bytes *= 2;
    footprint_of(&options, &load, &more);
    EXPECT(more.disk_max > plain.disk_max && more.heap_max > plain.heap_max);
    options.log_keep_bytes /= 2;
    options.engine_flush_polls = 10;
    options.duration_us = 60000000;
    footprint_of(&options, &load, &more);
    EXPECT(more.disk_max > plain.disk_max);
    options.engine_flush_polls = 0;
    load.filler_size = 100000;
    load.filler_keys = 16;
    footprint_of(&options, &load, &more);
    EXPECT(more.disk_max > plain.disk_max + 3200000);
    load = (struct footprint_load){.operations = 1000, .request_size_max = 1000};
    footprint_of(&options, &load, &more);
    EXPECT(more.disk_max == plain.disk_max && more.heap_max == plain.heap_max + 3000);
}

TEST(the_heap_is_counted_through_all_four_functions)
{
    const size_t before = heap_count_live();
    heap_count_begin();
    char *zeroed = heap_alloc(1000);
    char *raw = heap_alloc_raw(2000);
    EXPECT(heap_count_live() >= before + 3000);
    const size_t most = heap_count_live();
    raw = heap_realloc(raw, 5000);
    EXPECT(heap_count_live() >= most + 2900); /* An allocator rounds up. */
    heap_free(zeroed);
    heap_free(raw);
    heap_free(NULL);
    EXPECT(heap_count_live() == before);
    EXPECT(heap_count_peak() >= before + 6000 && heap_count_peak() < before + 20000);
    heap_count_begin();
    EXPECT(heap_count_peak() == before);
    heap_free(heap_realloc(NULL, 10));
    EXPECT(heap_count_live() == before && heap_count_peak() > before);
}

TEST_MAIN(CASE(files_and_heap_are_reported_one_byte_past_their_limit),
          CASE(limits_grow_with_what_is_kept_and_written),
          CASE(the_heap_is_counted_through_all_four_functions))
