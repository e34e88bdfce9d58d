/* SPDX-License-Identifier: MIT */
/* Who listens to what: against a twin that looks at every pair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../src/audience.h"

static struct resp_arg name_of(const char *text) {
    return (struct resp_arg){text, strlen(text)};
}

static bool join(struct audience *audience, struct subscriber *who, enum audience_kind kind,
                 const char *text) {
    struct resp_arg name = name_of(text);
    return audience_join(audience, who, kind, &name);
}

static bool leave(struct audience *audience, struct subscriber *who, enum audience_kind kind,
                  const char *text) {
    struct resp_arg name = name_of(text);
    return audience_leave(audience, who, kind, &name);
}

static size_t receivers(const struct audience *audience, enum audience_kind kind, const char *text) {
    struct resp_arg name = name_of(text);
    return audience_receivers(audience, kind, &name);
}

static void who_joins_twice_listens_once(void **state) {
    (void)state;
    struct audience *audience = audience_new(1, 2);
    struct subscriber one = {0};
    assert_true(audience_is_empty(audience));
    assert_true(join(audience, &one, AUDIENCE_CHANNEL, "news"));
    assert_false(join(audience, &one, AUDIENCE_CHANNEL, "news"));
    assert_int_equal(receivers(audience, AUDIENCE_CHANNEL, "news"), 1);
    assert_true(subscriber_listens(&one));
    assert_false(leave(audience, &one, AUDIENCE_CHANNEL, "other"));
    assert_true(leave(audience, &one, AUDIENCE_CHANNEL, "news"));
    assert_false(leave(audience, &one, AUDIENCE_CHANNEL, "news"));
    assert_false(subscriber_listens(&one));
    assert_true(audience_is_empty(audience));
    audience_free(audience);
}

static void kinds_do_not_mix(void **state) {
    (void)state;
    struct audience *audience = audience_new(1, 2);
    struct subscriber one = {0};
    assert_true(join(audience, &one, AUDIENCE_SHARD, "x"));
    assert_int_equal(receivers(audience, AUDIENCE_CHANNEL, "x"), 0);
    assert_int_equal(receivers(audience, AUDIENCE_SHARD, "x"), 1);
    assert_true(join(audience, &one, AUDIENCE_PATTERN, "x*"));
    assert_int_equal(receivers(audience, AUDIENCE_CHANNEL, "xy"), 1);
    assert_int_equal(receivers(audience, AUDIENCE_SHARD, "xy"), 0);
    assert_int_equal(audience_topics(audience, AUDIENCE_PATTERN), 1);
    assert_int_equal(audience_topics(audience, AUDIENCE_CHANNEL), 0);
    audience_leave_all(audience, &one);
    audience_free(audience);
}

static void a_message_is_counted_for_its_channel_and_every_pattern_that_matches(void **state) {
    (void)state;
    struct audience *audience = audience_new(1, 2);
    struct subscriber one = {0}, other = {0};
    join(audience, &one, AUDIENCE_CHANNEL, "news.art");
    join(audience, &one, AUDIENCE_PATTERN, "news.*");
    join(audience, &other, AUDIENCE_PATTERN, "news.*");
    join(audience, &other, AUDIENCE_PATTERN, "*");
    join(audience, &other, AUDIENCE_PATTERN, "old.*");
    assert_int_equal(receivers(audience, AUDIENCE_CHANNEL, "news.art"), 4);
    assert_int_equal(receivers(audience, AUDIENCE_CHANNEL, "news.x"), 3);
    assert_int_equal(receivers(audience, AUDIENCE_CHANNEL, "old"), 1);
    audience_leave_all(audience, &one);
    audience_leave_all(audience, &other);
    audience_free(audience);
}

static void a_name_may_be_empty_or_hold_any_byte(void **state) {
    (void)state;
    struct audience *audience = audience_new(1, 2);
    struct subscriber one = {0};
    struct resp_arg empty = {NULL, 0}, zero = {"a\0b", 3}, cut = {"a", 1};
    assert_true(audience_join(audience, &one, AUDIENCE_CHANNEL, &empty));
    assert_true(audience_join(audience, &one, AUDIENCE_CHANNEL, &zero));
    assert_int_equal(audience_receivers(audience, AUDIENCE_CHANNEL, &empty), 1);
    assert_int_equal(audience_receivers(audience, AUDIENCE_CHANNEL, &zero), 1);
    assert_int_equal(audience_receivers(audience, AUDIENCE_CHANNEL, &cut), 0);
    audience_leave_all(audience, &one);
    audience_free(audience);
}

static void those_who_came_first_stand_first(void **state) {
    (void)state;
    struct audience *audience = audience_new(1, 2);
    struct subscriber listeners[3] = {{.count = {0}}};
    struct resp_arg name = name_of("x");
    for (size_t i = 0; i < 3; i++)
        join(audience, &listeners[i], AUDIENCE_CHANNEL, "x");
    leave(audience, &listeners[1], AUDIENCE_CHANNEL, "x");
    const struct topic *topic = audience_find(audience, AUDIENCE_CHANNEL, &name);
    assert_int_equal(topic->count, 2);
    assert_ptr_equal(topic->first->subscriber, &listeners[0]);
    assert_ptr_equal(topic->first->next_of_topic->subscriber, &listeners[2]);
    assert_null(topic->first->next_of_topic->next_of_topic);
    audience_leave_all(audience, &listeners[0]);
    audience_leave_all(audience, &listeners[2]);
    assert_null(audience_find(audience, AUDIENCE_CHANNEL, &name));
    audience_free(audience);
}

/* ---- at random ----------------------------------------------------------------------------------------------- */

enum { WHO = 20, NAMES = 300, STEPS = 60000 };

static uint64_t next(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

struct twin {
    bool listens[WHO][AUDIENCE_KINDS][NAMES];
};

static void compare(const struct audience *audience, const struct subscriber *listeners,
                    const struct twin *twin) {
    char text[16];
    for (unsigned kind = 0; kind < AUDIENCE_KINDS; kind++) {
        size_t topics = 0, of[WHO] = {0};
        for (size_t i = 0; i < NAMES; i++) {
            size_t count = 0;
            for (size_t who = 0; who < WHO; who++) {
                count += twin->listens[who][kind][i];
                of[who] += twin->listens[who][kind][i];
            }
            snprintf(text, sizeof text, "name:%zu", i);
            struct resp_arg name = name_of(text);
            const struct topic *topic = audience_find(audience, (enum audience_kind)kind, &name);
            assert_int_equal(topic ? topic->count : 0, count);
            topics += count > 0;
        }
        assert_int_equal(audience_topics(audience, (enum audience_kind)kind), topics);
        for (size_t who = 0; who < WHO; who++)
            assert_int_equal(listeners[who].count[kind], of[who]);
    }
}

static void it_agrees_with_its_twin_whoever_comes_and_goes(void **state) {
    (void)state;
    static struct twin twin;
    struct subscriber listeners[WHO] = {{.count = {0}}};
    struct audience *audience = audience_new(3, 4);
    uint64_t seed = 1;
    char text[16];
    for (size_t step = 0; step < STEPS; step++) {
        size_t who = next(&seed) % WHO, i = next(&seed) % NAMES, kind = next(&seed) % AUDIENCE_KINDS;
        bool *listens = &twin.listens[who][kind][i];
        snprintf(text, sizeof text, "name:%zu", i);
        if (next(&seed) % 500 == 0) {
            audience_leave_all(audience, &listeners[who]);
            memset(twin.listens[who], 0, sizeof twin.listens[who]);
        } else if (next(&seed) % 5 < 3) {
            assert_int_equal(join(audience, &listeners[who], (enum audience_kind)kind, text), !*listens);
            *listens = true;
        } else {
            assert_int_equal(leave(audience, &listeners[who], (enum audience_kind)kind, text), *listens);
            *listens = false;
        }
        if (step % 5000 == 0)
            compare(audience, listeners, &twin);
    }
    compare(audience, listeners, &twin);
    for (size_t who = 0; who < WHO; who++)
        audience_leave_all(audience, &listeners[who]);
    assert_true(audience_is_empty(audience));
    audience_free(audience);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_joins_twice_listens_once),
        cmocka_unit_test(kinds_do_not_mix),
        cmocka_unit_test(a_message_is_counted_for_its_channel_and_every_pattern_that_matches),
        cmocka_unit_test(a_name_may_be_empty_or_hold_any_byte),
        cmocka_unit_test(those_who_came_first_stand_first),
        cmocka_unit_test(it_agrees_with_its_twin_whoever_comes_and_goes),
    };
    return cmocka_run_group_tests_name("audience", tests, NULL, NULL);
}
