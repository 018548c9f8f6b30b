#include "base/mark.h"

#include "base/check.h"

unsigned char mark_table[MARK_COUNT];

void marks_clear(void)
{
    for (size_t i = 0; i < MARK_COUNT; i++) {
        __atomic_store_n(&mark_table[i], 0, __ATOMIC_RELAXED);
    }
}

void marks_read(bool out_reached[MARK_COUNT])
{
    for (size_t i = 0; i < MARK_COUNT; i++) {
        out_reached[i] = __atomic_load_n(&mark_table[i], __ATOMIC_RELAXED) != 0;
    }
}

const char *mark_name(enum mark mark)
{
    static const char *const NAMES[] = {
#define X(name, text) #name,
        Q_MARK_MAP(X)
#undef X
    };
    Q_CHECK(mark < MARK_COUNT);
    return NAMES[mark];
}

const char *mark_text(enum mark mark)
{
    static const char *const TEXTS[] = {
#define X(name, text) text,
        Q_MARK_MAP(X)
#undef X
    };
    Q_CHECK(mark < MARK_COUNT);
    return TEXTS[mark];
}
