/* SPDX-License-Identifier: MIT */
/* Queues of those that wait, against a stupid twin; and alarms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/alarms.h"
#include "../src/queue.h"

static uint64_t random_state;

static unsigned below(unsigned bound) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((random_state >> 33) % bound);
}

/* ---- queues --------------------------------------------------------------------------------------------------------- */

enum { KEYS = 300, WAITERS = 400, DATABASES = 2, STEPS = 60000 };

struct wait {
    struct queue_place place;
};

/* Those that wait for a key, in order. */
struct twin {
    unsigned who[WAITERS];
    size_t count;
    bool marked;
};

static struct queues queues;
static struct wait waits[WAITERS];
static struct twin twins[DATABASES][2][KEYS], *twin_of[WAITERS];
static const enum value_type types[] = {VALUE_LIST, VALUE_ZSET};

static struct resp_arg key_of(unsigned key, char text[16]) {
    return (struct resp_arg){text,
                             (size_t)snprintf(text, 16, "%s%u", key % 7 ? "key:" : "", key) * (key != 0)};
}

static void enter(unsigned who) {
    char text[16];
    unsigned db = below(DATABASES), type = below(2), number = below(KEYS);
    struct resp_arg key = key_of(number, text);
    struct twin *twin = &twins[db][type][number];
    struct queue_place twice;
    assert_true(queue_enter(&queues, db, types[type], &key, &waits[who], &waits[who].place));
    assert_false(queue_enter(&queues, db, types[type], &key, &waits[who], &twice));
    twin->who[twin->count++] = who;
    twin_of[who] = twin;
}

static void leave(unsigned who) {
    struct twin *twin = twin_of[who];
    size_t at = 0;
    while (twin->who[at] != who)
        at++;
    memmove(&twin->who[at], &twin->who[at + 1], (--twin->count - at) * sizeof twin->who[0]);
    twin->marked = twin->marked && twin->count > 0;
    twin_of[who] = NULL;
    queue_leave(&queues, &waits[who].place);
    assert_null(waits[who].place.queue);
}

static void compare_one(unsigned db, unsigned type, unsigned number) {
    char text[16];
    struct resp_arg key = key_of(number, text);
    const struct twin *twin = &twins[db][type][number];
    const struct queue *queue = queue_find(&queues, db, types[type], &key);
    assert_int_equal(queue != NULL, twin->count > 0);
    if (!queue)
        return;
    const struct queue_place *place = queue->first;
    for (size_t i = 0; i < twin->count; i++, place = place->next)
        assert_ptr_equal(place->wait, &waits[twin->who[i]]);
    assert_null(place);
}

static void compare_marks(void) {
    size_t marked = 0;
    for (unsigned db = 0; db < DATABASES; db++)
        for (unsigned type = 0; type < 2; type++)
            for (unsigned number = 0; number < KEYS; number++)
                marked += twins[db][type][number].marked;
    for (struct queue *queue; (queue = queues_marked(&queues)); marked--)
        queue_unmark(&queues, queue);
    assert_int_equal(marked, 0);
    for (unsigned db = 0; db < DATABASES; db++)
        for (unsigned type = 0; type < 2; type++)
            for (unsigned number = 0; number < KEYS; number++)
                twins[db][type][number].marked = false;
}

static void mark(void) {
    char text[16];
    unsigned db = below(DATABASES), type = below(2), number = below(KEYS);
    struct resp_arg key = key_of(number, text);
    struct queue *queue = queue_find(&queues, db, types[type], &key);
    if (queue)
        queue_mark(&queues, queue);
    twins[db][type][number].marked = queue != NULL;
}

static void mark_database(unsigned db) {
    queues_mark_database(&queues, db);
    for (unsigned type = 0; type < 2; type++)
        for (unsigned number = 0; number < KEYS; number++)
            twins[db][type][number].marked = twins[db][type][number].count > 0;
}

static void queues_are_what_their_twin_is(void **state) {
    (void)state;
    random_state = 7;
    queues_init(&queues, 1, 2);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned who = below(step / 5000 % 2 ? WAITERS / 8 : WAITERS); /* many, few, many ... */
        if (twin_of[who])
            leave(who);
        else
            enter(who);
        mark();
        compare_one(below(DATABASES), below(2), below(KEYS));
        if (step % 1000 == 0)
            mark_database(below(DATABASES));
        if (step % 333 == 0)
            compare_marks();
    }
    for (unsigned who = 0; who < WAITERS; who++)
        if (twin_of[who])
            leave(who);
    assert_null(queues_marked(&queues));
    queues_close(&queues);
}

/* ---- alarms --------------------------------------------------------------------------------------------------------- */

enum { ALARMS = 200 };

static void the_first_alarm_is_always_the_earliest(void **state) {
    (void)state;
    static struct alarm all[ALARMS];
    struct alarms alarms = {0};
    random_state = 3;
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned at = below(ALARMS);
        if (all[at].place)
            alarm_unset(&alarms, &all[at]);
        else
            alarm_set(&alarms, &all[at], below(1000), &all[at]);
        const struct alarm *first = alarms_first(&alarms);
        uint64_t earliest = UINT64_MAX;
        size_t count = 0;
        for (size_t i = 0; i < ALARMS; i++) {
            count += all[i].place != 0;
            if (all[i].place && all[i].at_ms < earliest)
                earliest = all[i].at_ms;
        }
        assert_int_equal(count, alarms.count);
        assert_int_equal(first ? first->at_ms : UINT64_MAX, earliest);
        assert_true(!first || first->owner == first);
    }
    for (size_t i = 0; i < ALARMS; i++)
        alarm_unset(&alarms, &all[i]);
    alarms_close(&alarms);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queues_are_what_their_twin_is),
        cmocka_unit_test(the_first_alarm_is_always_the_earliest),
    };
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
