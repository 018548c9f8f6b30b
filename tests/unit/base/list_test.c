/* base/list: order, removal from anywhere, and links that are in no list. */
#include "base/list.h"
#include "harness/test.h"

struct item {
    int number;
    struct list link;
};

static int first_number(struct list *list)
{
    return LIST_ITEM(list_first(list), struct item, link)->number;
}

TEST(items_leave_in_the_order_they_came)
{
    struct list list;
    list_init(&list);
    EXPECT(list_is_empty(&list));
    EXPECT(list_first(&list) == NULL);
    struct item items[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    for (int i = 0; i < 3; i++) {
        list_append(&list, &items[i].link);
    }
    for (int i = 1; i <= 3; i++) {
        EXPECT(first_number(&list) == i);
        list_remove(list_first(&list));
    }
    EXPECT(list_is_empty(&list));
}

TEST(an_item_can_leave_from_the_middle)
{
    struct list list;
    list_init(&list);
    struct item items[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    for (int i = 0; i < 3; i++) {
        list_append(&list, &items[i].link);
    }
    list_remove(&items[1].link);
    EXPECT(first_number(&list) == 1);
    list_remove(&items[0].link);
    EXPECT(first_number(&list) == 3);
}

/* Cancelling and completing the same request may both remove it. */
TEST(removing_twice_does_no_harm)
{
    struct list list;
    list_init(&list);
    struct item item = {.number = 1};
    list_append(&list, &item.link);
    list_remove(&item.link);
    list_remove(&item.link);
    EXPECT(list_is_empty(&list));
    list_append(&list, &item.link);
    EXPECT(first_number(&list) == 1);
}

TEST_MAIN(CASE(items_leave_in_the_order_they_came),
          CASE(an_item_can_leave_from_the_middle),
          CASE(removing_twice_does_no_harm))
