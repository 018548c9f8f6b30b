/* sim/ddmin: what is left is what matters, whatever that is, and it is found in few questions. */
#include "base/prng.h"
#include "harness/test.h"
#include "sim/ddmin.h"

#define ITEMS_MAX 1000

/* Fails when every needed item is there, and, if `pairs`, item 2i only counts beside 2i + 1. */
struct failure {
    bool needed[ITEMS_MAX];
    bool anything; /* Fails with any one item. */
    uint64_t asked;
    bool out_of_order;
};

static bool still_fails(void *context, const uint32_t *kept, size_t count)
{
    struct failure *failure = context;
    size_t have = 0;
    size_t needed = 0;
    failure->asked++;
    for (size_t i = 0; i < count; i++) {
        have += failure->needed[kept[i]];
        failure->out_of_order |= i > 0 && kept[i - 1] >= kept[i];
    }
    for (size_t i = 0; i < ITEMS_MAX; i++) {
        needed += failure->needed[i];
    }
    return failure->anything ? count > 0 : have == needed;
}

static size_t reduce(struct failure *failure, uint32_t *items, size_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        items[i] = i;
    }
    return ddmin(items, count, still_fails, failure);
}

TEST(nothing_is_left_when_nothing_matters)
{
    struct failure failure = {.asked = 0};
    uint32_t items[ITEMS_MAX];
    EXPECT(reduce(&failure, items, ITEMS_MAX) == 0);
    EXPECT(failure.asked == 1);
    EXPECT(reduce(&failure, items, 0) == 0 && reduce(&failure, items, 1) == 0);
}

TEST(everything_is_left_when_everything_matters)
{
    struct failure failure = {.asked = 0};
    uint32_t items[ITEMS_MAX];
    for (size_t i = 0; i < 50; i++) {
        failure.needed[i] = true;
    }
    EXPECT(reduce(&failure, items, 50) == 50);
    for (uint32_t i = 0; i < 50; i++) {
        REQUIRE(items[i] == i);
    }
    struct failure one = {.needed[0] = true};
    EXPECT(reduce(&one, items, 1) == 1 && items[0] == 0);
}

TEST(one_of_many_equals_is_enough)
{
    struct failure failure = {.anything = true};
    uint32_t items[ITEMS_MAX];
    EXPECT(reduce(&failure, items, ITEMS_MAX) == 1);
}

TEST(exactly_the_needed_ones_are_left_in_order_and_after_few_questions)
{
    struct prng prng;
    prng_init(&prng, 1);
    for (int round = 0; round < 200; round++) {
        struct failure failure = {.asked = 0};
        uint32_t items[ITEMS_MAX];
        const size_t count = (size_t)prng_between(&prng, 1, ITEMS_MAX);
        size_t needed = 0;
        for (uint64_t i = prng_between(&prng, 1, 8); i > 0; i--) {
            bool *one = &failure.needed[prng_below(&prng, count)];
            needed += !*one;
            *one = true;
        }
        REQUIRE(reduce(&failure, items, count) == needed);
        for (size_t i = 0; i < needed; i++) {
            REQUIRE(failure.needed[items[i]]);
            REQUIRE(i == 0 || items[i - 1] < items[i]);
        }
        /* Each needed item spoils two pieces of each size, and there are ten sizes. */
        REQUIRE(!failure.out_of_order && failure.asked <= needed * 2 * 11 + 20);
    }
    EXPECT(true);
}

/* Item 0 is needed as long as item 9 is there: it can go only after that one. */
static bool fails_oddly(void *context, const uint32_t *kept, size_t count)
{
    (void)context;
    bool has[10] = {false};
    for (size_t i = 0; i < count; i++) {
        has[kept[i]] = true;
    }
    return has[5] && (has[0] || !has[9]);
}

TEST(what_was_needed_only_for_something_that_went_goes_too)
{
    uint32_t items[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    EXPECT(ddmin(items, 10, fails_oddly, NULL) == 1 && items[0] == 5);
}

TEST_MAIN(CASE(nothing_is_left_when_nothing_matters),
          CASE(everything_is_left_when_everything_matters),
          CASE(one_of_many_equals_is_enough),
          CASE(exactly_the_needed_ones_are_left_in_order_and_after_few_questions),
          CASE(what_was_needed_only_for_something_that_went_goes_too))
