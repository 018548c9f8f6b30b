/* Intrusive doubly linked list. The link lives in the object; nothing is allocated.
 *
 * usage: struct list waiting; list_init(&waiting); list_append(&waiting, &request->link);
 *        struct request *r = LIST_ITEM(list_first(&waiting), struct request, link);
 */
#ifndef Q_BASE_LIST_H
#define Q_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *previous;
};

#define LIST_ITEM(node, type, field) ((type *)(void *)((char *)(node)-offsetof(type, field)))

/* Also makes a link that is in no list, which list_remove accepts. */
static inline void list_init(struct list *list)
{
    list->next = list;
    list->previous = list;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->next == list;
}

static inline void list_append(struct list *list, struct list *link)
{
    link->next = list;
    link->previous = list->previous;
    list->previous->next = link;
    list->previous = link;
}

static inline void list_remove(struct list *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
    list_init(link);
}

/* NULL when empty. */
static inline struct list *list_first(struct list *list)
{
    return list_is_empty(list) ? NULL : list->next;
}

#endif
