/* What each operation does to a register, and how UNKNOWN operations are brought in only when
 * needed.
 *
 * An UNKNOWN operation may take effect at any time after its invocation, or never, so tried like
 * the others it doubles the search each time. But consider a linearization with an effective
 * UNKNOWN operation u in it, and the block of steps from u up to the next change of the value. Only
 * steps that could not have answered as they did without u need it. Moving u to just before the
 * first of these keeps the linearization valid (u has no end that real time could violate, the
 * steps passed over do not need it, and the value after the block is the same); with no such step
 * u can be left out. So it is enough to bring in UNKNOWN operations right before a step that is
 * impossible in the present state:
 * - a step that needs the value v brings in a writer of v; when that is an UNKNOWN CAS from x, it
 *   in turn needs x, and so on: a chain, the only one possible as values are unique;
 * - a step that needs "absent" brings in an UNKNOWN DELETE, all of which are alike but for their
 *   start, so the earliest is as good as any;
 * - a step that needs "present", or "anything but e", may bring in any writer or DELETE that fits.
 *   Writers whose value no other operation speaks of are again alike and the earliest stands for
 *   all; the others, and each CAS from e, are options of their own.
 */
#include "base/check.h"
#include "sim/check/search.h"

enum need_kind {
    NEED_NOTHING,
    NEED_VALUE, /* The value is `value`, which may be VALUE_ABSENT. */
    NEED_OTHER  /* The value is anything but `value`. */
};

struct need {
    enum need_kind kind;
    uint32_t value;
};

static bool says_done(const struct step *step)
{
    return bytes_equal(step->deed->of->result, bytes_of_text("1"));
}

/* For the kinds of a lazy search. An unsure step needs what makes it effective. */
static struct need need_of(const struct step *step)
{
    const bool done = deed_is_unsure(step->deed) || says_done(step);
    switch (step->deed->of->kind) {
    case HISTORY_READ:
    case HISTORY_RANGE: return (struct need){NEED_VALUE, step->result};
    case HISTORY_CAS: return (struct need){done ? NEED_VALUE : NEED_OTHER, step->expected};
    case HISTORY_DELETE: return (struct need){done ? NEED_OTHER : NEED_VALUE, VALUE_ABSENT};
    case HISTORY_WRITE:
    case HISTORY_APPEND:
    case HISTORY_PUSH:
    case HISTORY_INCR: return (struct need){NEED_NOTHING, VALUE_ABSENT};
    }
    return (struct need){NEED_NOTHING, VALUE_ABSENT};
}

static bool is_met(struct need need, uint32_t state)
{
    switch (need.kind) {
    case NEED_NOTHING: return true;
    case NEED_VALUE: return state == need.value;
    case NEED_OTHER: return state != need.value;
    }
    return false;
}

/* APPEND, PUSH and INCR: the new contents, and the number they answer with. */
static bool extend(const struct search *search,
                   const struct step *step,
                   uint32_t state,
                   struct buf *out,
                   int64_t *out_answer)
{
    const struct bytes old = values_text(&search->values, state);
    const struct bytes argument = step->deed->of->argument;
    int64_t delta = 0;
    switch (step->deed->of->kind) {
    case HISTORY_APPEND:
        buf_append(out, old);
        buf_append(out, argument);
        *out_answer = (int64_t)buf_size(out);
        return true;
    case HISTORY_PUSH:
        buf_append(out, old);
        buf_append_text(out, state == VALUE_ABSENT ? "" : ",");
        *out_answer = 1 + (state == VALUE_ABSENT ? 0 : 1);
        for (size_t i = 0; i < old.size; i++) {
            *out_answer += old.data[i] == ',';
        }
        buf_append(out, argument);
        return true;
    case HISTORY_INCR:
        *out_answer = 0;
        if ((state != VALUE_ABSENT && !bytes_to_int64(old, out_answer)) ||
            !bytes_to_int64(argument, &delta) ||
            __builtin_add_overflow(*out_answer, delta, out_answer)) {
            return false;
        }
        buf_append_format(out, "%lld", (long long)*out_answer);
        return true;
    case HISTORY_READ:
    case HISTORY_WRITE:
    case HISTORY_CAS:
    case HISTORY_DELETE:
    case HISTORY_RANGE: return false;
    }
    return false;
}

static bool apply_extension(struct search *search,
                            const struct step *step,
                            uint32_t state,
                            uint32_t *out_state)
{
    struct buf text = {0};
    int64_t answer = 0;
    int64_t answered = 0;
    bool fine = extend(search, step, state, &text, &answer);
    if (fine && deed_is_ok(step->deed)) {
        fine = bytes_to_int64(step->deed->of->result, &answered) && answered == answer;
    }
    if (fine) {
        *out_state = values_number(&search->values, buf_bytes(&text));
    }
    buf_deinit(&text);
    return fine;
}

bool step_apply(struct search *search, size_t step, uint32_t state, uint32_t *out_state)
{
    Q_CHECK(step < search->count);
    const struct step *s = &search->steps[step];
    if (!is_met(need_of(s), state)) {
        return false;
    }
    const bool done = deed_is_unsure(s->deed) || says_done(s);
    switch (s->deed->of->kind) {
    case HISTORY_READ:
    case HISTORY_RANGE: *out_state = state; return true;
    case HISTORY_WRITE: *out_state = s->argument; return true;
    case HISTORY_CAS: *out_state = done ? s->argument : state; return true;
    case HISTORY_DELETE: *out_state = VALUE_ABSENT; return true;
    case HISTORY_APPEND:
    case HISTORY_PUSH:
    case HISTORY_INCR: return apply_extension(search, s, state, out_state);
    }
    return false;
}

/* The value a step leaves behind when it is effective; false for steps that leave none. */
static bool produces(const struct step *step, uint32_t *out_value)
{
    const bool done = deed_is_unsure(step->deed) || says_done(step);
    switch (step->deed->of->kind) {
    case HISTORY_WRITE: *out_value = step->argument; return true;
    case HISTORY_CAS: *out_value = step->argument; return done;
    case HISTORY_DELETE: *out_value = VALUE_ABSENT; return done;
    case HISTORY_READ:
    case HISTORY_RANGE:
    case HISTORY_APPEND:
    case HISTORY_PUSH:
    case HISTORY_INCR: return false;
    }
    return false;
}

bool step_is_free(const struct search *search, size_t step, uint32_t state)
{
    const struct step *s = &search->steps[step];
    uint32_t value = VALUE_ABSENT;
    return deed_is_ok(s->deed) && !produces(s, &value) && is_met(need_of(s), state);
}

void step_count(struct search *search, size_t step, bool done)
{
    Q_CHECK(search->lazy);
    const struct step *s = &search->steps[step];
    const uint32_t change = done ? UINT32_MAX : 1; /* Minus or plus one. */
    const struct need need = need_of(s);
    uint32_t value = VALUE_ABSENT;
    if (need.kind == NEED_VALUE && deed_is_ok(s->deed)) {
        search->mentions[need.value].observers += change;
    }
    if (produces(s, &value)) {
        search->mentions[value].producers += change;
    }
}

bool value_may_go(const struct search *search, uint32_t value)
{
    Q_CHECK(search->lazy);
    const struct mentions *m = &search->mentions[value];
    return value == VALUE_ABSENT || m->observers == 0 || m->producers > 0;
}

/* The value an unsure step leaves behind. */
static uint32_t value_left(const struct step *step)
{
    return step->deed->of->kind == HISTORY_DELETE ? VALUE_ABSENT : step->argument;
}

static bool is_in_plan(const struct plan *plan, size_t step)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->steps[i] == step) {
            return true;
        }
    }
    return false;
}

/* Of an unsure step: it may be brought in now. */
static bool is_free(const struct search *search, size_t step, uint64_t deadline)
{
    const struct step *s = &search->steps[step];
    return !s->done && s->deed->started < deadline;
}

/* The `skip`-th free step that leaves `value` and is not in the plan yet. */
static size_t find_writer(const struct search *search,
                          uint32_t value,
                          uint64_t deadline,
                          size_t skip,
                          const struct plan *plan)
{
    for (size_t n = 0; n < search->unsure_count; n++) {
        const size_t i = search->unsure[n];
        if (is_free(search, i, deadline) && value_left(&search->steps[i]) == value &&
            !is_in_plan(plan, i)) {
            if (skip == 0) {
                return i;
            }
            skip--;
            if (value == VALUE_ABSENT) {
                return NONE; /* All deletes are alike: one option is enough. */
            }
        }
    }
    return NONE;
}

/* Adds to the plan, last step first, what makes `last` possible; then puts it in order. */
static bool complete_chain(
    const struct search *search, size_t last, uint32_t state, uint64_t deadline, struct plan *plan)
{
    plan->count = 0;
    size_t at = last;
    while (at != NONE) {
        plan->steps[plan->count++] = at;
        const struct need need = need_of(&search->steps[at]);
        if (search->steps[at].deed->of->kind != HISTORY_CAS || is_met(need, state)) {
            break;
        }
        at = find_writer(search, need.value, deadline, 0, plan);
    }
    for (size_t i = 0; i < plan->count / 2; i++) {
        const size_t other = plan->steps[i];
        plan->steps[i] = plan->steps[plan->count - 1 - i];
        plan->steps[plan->count - 1 - i] = other;
    }
    return at != NONE;
}

/* The `option`-th free step that by itself turns `state`, which is unwanted, into something else:
 * the first DELETE, the first writer nobody speaks of, each other writer, each CAS from `state`. */
static size_t find_other(const struct search *search,
                         uint32_t state,
                         uint64_t deadline,
                         size_t option)
{
    bool had_delete = state == VALUE_ABSENT;
    bool had_unobserved = false;
    for (size_t n = 0; n < search->unsure_count; n++) {
        const size_t i = search->unsure[n];
        const struct step *s = &search->steps[i];
        const enum history_kind kind = s->deed->of->kind;
        if (!is_free(search, i, deadline) || value_left(s) == state ||
            (kind == HISTORY_CAS && s->expected != state) ||
            (kind == HISTORY_DELETE && had_delete) ||
            (kind == HISTORY_WRITE && !s->observed && had_unobserved)) {
            continue;
        }
        had_delete = had_delete || kind == HISTORY_DELETE;
        had_unobserved = had_unobserved || (kind == HISTORY_WRITE && !s->observed);
        if (option == 0) {
            return i;
        }
        option--;
    }
    return NONE;
}

bool plan_option(const struct search *search,
                 size_t step,
                 uint32_t state,
                 uint64_t deadline,
                 size_t option,
                 struct plan *out_plan)
{
    Q_CHECK(search->lazy);
    Q_CHECK(step < search->count);
    const struct need need = need_of(&search->steps[step]);
    out_plan->count = 0;
    if (is_met(need, state)) {
        return option == 0;
    }
    if (need.kind == NEED_OTHER) {
        const size_t found = find_other(search, state, deadline, option);
        out_plan->steps[0] = found;
        out_plan->count = 1;
        return found != NONE;
    }
    /* A chain that cannot be completed is no option, but the next writer may have one. */
    size_t skip = 0;
    for (;;) {
        out_plan->count = 0;
        const size_t last = find_writer(search, need.value, deadline, skip, out_plan);
        if (last == NONE) {
            return false;
        }
        if (complete_chain(search, last, state, deadline, out_plan)) {
            if (option == 0) {
                return true;
            }
            option--;
        }
        skip++;
    }
}
