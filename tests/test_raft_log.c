/* SPDX-License-Identifier: MIT */
/*
 * The log's tail and table of terms against a stupid twin: an array that forgets nothing. And the small parts beside it:
 * the saves under way, the outbox, majorities.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../raft/internal.h"

enum { TWIN_MAX = 4096 };

struct twin {
    raft_term terms[TWIN_MAX + 1];
    size_t lengths[TWIN_MAX + 1];
    raft_index base, last, commit, saved, applied;
};

static struct raft_log boot_log(struct raft_boot boot, size_t bytes_max) {
    struct raft_log log;
    raft_log_init(&log, &boot, bytes_max);
    return log;
}

static void append(struct raft_log *log, raft_term term, size_t length) {
    struct raft_blob *blob = raft_blob_new(length);
    memset(blob->bytes, (int)term, length);
    raft_log_append(log, &(struct raft_entry){
                             .index = log->last + 1, .term = term, .type = RAFT_ENTRY_COMMAND, .data = blob});
    raft_blob_unref(blob);
}

static raft_index twin_floor(const struct twin *twin, raft_index index, raft_term term) {
    if (index > twin->last)
        index = twin->last;
    while (index && index >= twin->base && twin->terms[index] > term)
        index--;
    return index;
}

static void expect_same(const struct raft_log *log, const struct twin *twin) {
    size_t uncommitted = 0;
    assert_int_equal(log->last, twin->last);
    assert_int_equal(log->saved, twin->saved);
    for (raft_index i = 0; i <= twin->last; i++)
        assert_int_equal(raft_log_term_at(log, i), i && i >= twin->base ? twin->terms[i] : 0);
    assert_int_equal(log->base, twin->base);
    assert_int_equal(raft_log_last_term(log), twin->last ? twin->terms[twin->last] : 0);
    assert_int_equal(raft_log_term_at(log, twin->last + 1), 0);
    for (raft_index i = log->first; i <= log->last; i++) {
        assert_int_equal(raft_log_entry(log, i)->index, i);
        assert_int_equal(raft_log_entry(log, i)->term, twin->terms[i]);
        assert_int_equal(raft_log_entry(log, i)->data->length, twin->lengths[i]);
        uncommitted += i > twin->commit ? twin->lengths[i] : 0;
    }
    assert_int_equal(log->uncommitted_bytes, uncommitted);
    raft_index may_leave = twin->saved < twin->applied ? twin->saved : twin->applied;
    assert_true(log->first <=
                (may_leave > twin->base ? may_leave : twin->base) + 1); /* nothing else has left */
}

/* A state takes the place of the log: what follows it will, too. */
static void reset(struct raft_log *log, struct twin *twin, uint64_t *random) {
    raft_index index = twin->commit + 1 + raft_random_below(random, 30);
    raft_term term = (twin->last ? twin->terms[twin->last] : 1) + raft_random_below(random, 2);
    if (index > TWIN_MAX)
        return;
    raft_log_reset(log, index, term);
    twin->saved = twin->saved < twin->commit ? twin->saved : twin->commit;
    assert_int_equal(log->saved, twin->saved);
    assert_int_equal(log->applied, twin->applied);
    twin->terms[index] = term;
    twin->base = twin->last = twin->commit = twin->saved = twin->applied = index;
    log->saved = log->applied = index; /* durable, and loaded */
}

static void act(struct raft_log *log, struct twin *twin, uint64_t *random) {
    uint64_t kind = raft_random_below(random, 10);
    raft_index done = twin->saved < twin->applied ? twin->saved : twin->applied;
    if (kind < 5 && twin->last < TWIN_MAX) {
        raft_term term = (twin->last ? twin->terms[twin->last] : 1) + (raft_random_below(random, 6) == 0);
        size_t length = raft_random_below(random, 40);
        append(log, term, length);
        twin->terms[++twin->last] = term;
        twin->lengths[twin->last] = length;
    } else if (kind == 5 && twin->last > twin->commit) {
        raft_index from = twin->commit + 1 + raft_random_below(random, twin->last - twin->commit);
        raft_log_truncate(log, from);
        twin->last = from - 1;
        twin->saved = twin->saved < twin->last ? twin->saved : twin->last;
    } else if (kind == 6 && twin->last > twin->commit) {
        twin->commit += 1 + raft_random_below(random, twin->last - twin->commit);
        raft_log_commit(log, twin->commit);
    } else if (kind == 7) {
        twin->saved += raft_random_below(random, twin->last - twin->saved + 1);
        log->handed = log->saved = twin->saved;
    } else if (kind == 8) {
        twin->applied += raft_random_below(random, twin->commit - twin->applied + 1);
        log->applying = log->applied = twin->applied;
    } else if (kind == 9 && done > twin->base && raft_random_below(random, 3) == 0) {
        twin->base += 1 + raft_random_below(random, done - twin->base);
        raft_log_compact(log, twin->base);
    } else if (kind == 9 && raft_random_below(random, 12) == 0) {
        reset(log, twin, random);
    } else {
        raft_log_trim(log, raft_random_below(random, twin->last + 2));
    }
}

static void the_log_behaves_as_an_array_that_forgets_nothing(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        static struct twin twin;
        uint64_t random = seed;
        memset(&twin, 0, sizeof twin);
        struct raft_log log = boot_log((struct raft_boot){0}, raft_random_below(&random, 2000));
        for (int i = 0; i < 400; i++) {
            act(&log, &twin, &random);
            expect_same(&log, &twin);
            raft_index index = raft_random_below(&random, twin.last + 3);
            raft_term term = raft_random_below(&random, 12);
            raft_index floor = raft_log_floor(&log, index, term);
            if (index >= twin.base)
                assert_int_equal(floor, twin_floor(&twin, index, term));
            else
                assert_true(floor < twin.base);
        }
        raft_log_close(&log);
    }
}

static void after_a_start_the_tail_is_empty_and_all_terms_are_known(void **state) {
    (void)state;
    static const struct raft_term_start terms[] = {{1, 1}, {4, 4}, {6, 6}};
    struct raft_log log = boot_log(
        (struct raft_boot){.term = 7, .last_index = 7, .applied = 2, .terms = terms, .term_count = 3}, 100);
    static const raft_term expected[] = {0, 1, 1, 1, 4, 4, 6, 6, 0};
    for (raft_index i = 0; i <= 8; i++)
        assert_int_equal(raft_log_term_at(&log, i), expected[i]);
    assert_int_equal(log.first, 8);
    assert_int_equal(log.saved, 7);
    assert_int_equal(log.commit, 2);
    assert_int_equal(log.bytes, 0);
    raft_log_close(&log);
}

static void entries_that_are_on_disk_only_can_be_cut(void **state) {
    (void)state;
    static const struct raft_term_start terms[] = {{1, 1}, {4, 4}, {6, 6}};
    struct raft_log log = boot_log(
        (struct raft_boot){.term = 7, .last_index = 7, .applied = 2, .terms = terms, .term_count = 3}, 100);
    append(&log, 7, 5);
    raft_log_truncate(&log, 5);
    assert_int_equal(log.last, 4);
    assert_int_equal(log.first, 5);
    assert_int_equal(log.saved, 4);
    assert_int_equal(log.bytes, 0);
    assert_int_equal(raft_log_last_term(&log), 4);
    append(&log, 8, 5);
    assert_int_equal(raft_log_term_at(&log, 5), 8);
    raft_log_close(&log);
}

static void saved_and_applied_entries_leave_a_tail_that_is_too_big_oldest_first(void **state) {
    (void)state;
    struct raft_log log = boot_log((struct raft_boot){0}, 0);
    for (int i = 0; i < 6; i++)
        append(&log, 1, 10);
    raft_log_commit(&log, 4);
    log.handed = log.saved = 3;
    raft_log_trim(&log, 0);
    assert_int_equal(log.first, 1); /* saved, not applied */
    log.applying = log.applied = 4;
    raft_log_trim(&log, 0);
    assert_int_equal(log.first, 4); /* 4 is applied, not saved */
    log.handed = log.saved = 6;
    raft_log_trim(&log, 0);
    assert_int_equal(log.first, 5);
    raft_log_close(&log);
}

static void what_nobody_lacks_leaves_all_but_a_small_part_of_the_tail(void **state) {
    (void)state;
    struct raft_log log = boot_log((struct raft_boot){0}, 1 << 20);
    for (int i = 0; i < 2000; i++)
        append(&log, 1, 100);
    raft_log_commit(&log, 2000);
    log.handed = log.saved = log.applying = log.applied = 2000;
    raft_log_trim(&log, 800);
    assert_int_equal(log.first, 800); /* what somebody lacks stays */
    raft_log_trim(&log, 2001);
    assert_true(log.first > 800 && log.first < 2000);
    assert_true(log.bytes <= (1 << 20) / RAFT_TAIL_SPARE_PART);
    raft_log_close(&log);
}

static void a_tail_within_its_bound_keeps_everything(void **state) {
    (void)state;
    struct raft_log log = boot_log((struct raft_boot){0}, 10000);
    for (int i = 0; i < 6; i++)
        append(&log, 1, 10);
    raft_log_commit(&log, 6);
    log.handed = log.saved = log.applying = log.applied = 6;
    raft_log_trim(&log, 0);
    assert_int_equal(log.first, 1);
    raft_log_close(&log);
}

static void as_many_entries_fit_as_have_the_bytes_and_one_always_does(void **state) {
    (void)state;
    struct raft_log log = boot_log((struct raft_boot){0}, 10000);
    size_t bytes;
    for (int i = 0; i < 6; i++)
        append(&log, 1, 10);
    assert_int_equal(raft_log_fit(&log, 2, 6, 30, &bytes), 3);
    assert_int_equal(bytes, 30);
    assert_int_equal(raft_log_fit(&log, 2, 6, 29, &bytes), 2);
    assert_int_equal(raft_log_fit(&log, 2, 6, 1, &bytes), 1);
    assert_int_equal(raft_log_fit(&log, 6, 6, 1000, &bytes), 1);
    assert_int_equal(raft_log_fit(&log, 2, 3, 1000, &bytes), 2);
    raft_log_close(&log);
}

/* ---- saves ----------------------------------------------------------------------------------------------- */

static void an_overwritten_twin_is_not_mistaken_for_what_overwrote_it(void **state) {
    (void)state;
    struct raft_saves saves = {0};
    struct raft_save save;
    uint64_t first = raft_saves_push(&saves, (struct raft_vote){3, 0}, 9);
    raft_saves_clip(&saves, 6); /* a leader of term 4 replaces 7..9 */
    uint64_t second = raft_saves_push(&saves, (struct raft_vote){4, 0}, 8);
    assert_true(raft_saves_pop(&saves, first, &save));
    assert_int_equal(save.last, 6);
    assert_int_equal(save.vote.term, 3);
    assert_true(raft_saves_pop(&saves, second, &save));
    assert_int_equal(save.last, 8);
    assert_int_equal(save.vote.term, 4);
    free(saves.at);
}

static void one_acknowledgement_covers_all_saves_before_it_and_a_second_does_nothing(void **state) {
    (void)state;
    struct raft_saves saves = {0};
    struct raft_save save;
    for (raft_index last = 1; last <= 5; last++)
        raft_saves_push(&saves, (struct raft_vote){last, 0}, last);
    assert_true(raft_saves_pop(&saves, 4, &save));
    assert_int_equal(save.last, 4);
    assert_false(raft_saves_pop(&saves, 3, &save));
    assert_false(raft_saves_pop(&saves, 4, &save));
    assert_true(raft_saves_pop(&saves, 5, &save));
    assert_int_equal(saves.count, 0);
    free(saves.at);
}

/* ---- outbox ---------------------------------------------------------------------------------------------- */

static void entries_in_an_outbox_stay_where_they_are_and_keep_their_data(void **state) {
    (void)state;
    static struct raft_outbox box;
    struct raft_log log = boot_log((struct raft_boot){0}, 0);
    for (int i = 0; i < 1500; i++)
        append(&log, 1, 8);
    struct raft_entries first = raft_outbox_slice(&box, &log, 1, 3);
    const struct raft_entry *place = first.at;
    for (raft_index from = 1; from <= 1400; from += 100)
        raft_outbox_slice(&box, &log, from, 100);
    struct raft_entries all = raft_outbox_slice(&box, &log, 1, 1500); /* more than a block */
    assert_ptr_equal(first.at, place);
    raft_log_commit(&log, 1500);
    log.handed = log.saved = log.applying = log.applied = 1500;
    raft_log_trim(&log, 0);
    assert_int_equal(log.first, 1501); /* the log has let them go; the outbox has not */
    assert_int_equal(first.at[2].data->references, all.at[2].data->references);
    assert_int_equal(all.at[1499].data->references, 1);
    assert_int_equal(all.at[1499].data->bytes[7], 1);
    raft_outbox_close(&box);
    raft_log_close(&log);
}

/* ---- majorities ------------------------------------------------------------------------------------------ */

static void a_majority_has_reached_what_more_than_half_have_reached(void **state) {
    (void)state;
    uint64_t random = 7;
    for (int round = 0; round < 2000; round++) {
        uint64_t values[9], sorted[9], best = 0;
        size_t count = 1 + raft_random_below(&random, 9);
        for (size_t i = 0; i < count; i++)
            sorted[i] = values[i] = raft_random_below(&random, 6);
        for (uint64_t candidate = 0; candidate < 6; candidate++) {
            size_t reached = 0;
            for (size_t i = 0; i < count; i++)
                reached += values[i] >= candidate;
            if (reached * 2 > count)
                best = candidate;
        }
        assert_int_equal(raft_quorum_reached(sorted, count), best);
        assert_true(raft_quorum(count) * 2 > count && (raft_quorum(count) - 1) * 2 <= count);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_behaves_as_an_array_that_forgets_nothing),
        cmocka_unit_test(after_a_start_the_tail_is_empty_and_all_terms_are_known),
        cmocka_unit_test(entries_that_are_on_disk_only_can_be_cut),
        cmocka_unit_test(saved_and_applied_entries_leave_a_tail_that_is_too_big_oldest_first),
        cmocka_unit_test(what_nobody_lacks_leaves_all_but_a_small_part_of_the_tail),
        cmocka_unit_test(a_tail_within_its_bound_keeps_everything),
        cmocka_unit_test(as_many_entries_fit_as_have_the_bytes_and_one_always_does),
        cmocka_unit_test(an_overwritten_twin_is_not_mistaken_for_what_overwrote_it),
        cmocka_unit_test(one_acknowledgement_covers_all_saves_before_it_and_a_second_does_nothing),
        cmocka_unit_test(entries_in_an_outbox_stay_where_they_are_and_keep_their_data),
        cmocka_unit_test(a_majority_has_reached_what_more_than_half_have_reached),
    };
    return cmocka_run_group_tests_name("raft_log", tests, NULL, NULL);
}
