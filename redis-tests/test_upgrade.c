/* SPDX-License-Identifier: MIT */
/*
 * Members that offer different feature levels, under load: an upgrade node by node, the rise of the level when the last one offers
 * it, a node that is away meanwhile, and nodes that are too old for their cluster. What an older version offers is made by
 * raft-feature-level-max.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/cluster.h"
#include "harness/load.h"
#include "harness/wire.h"

enum { WRITERS = 4, WRITE_PAUSE_US = 1000, STEADY_MS = 1500, SETTLE_MS = 20000, WIRE_MS = 10000 };

static const char *const as_old[] = {"--raft-feature-level-max", "1", NULL};
static const char *const every_second[] = {"--raft-audit-interval", "1", NULL};
static const char *const cut_often[] = {"--raft-audit-interval", "1", "--raft-checkpoint-log-size", "32kb",
                                        NULL};

static struct info info;

/* ---- questions ------------------------------------------------------------------------------------------------- */

static uint64_t number_of(const struct cluster *cluster, size_t at, const char *field) {
    if (!cluster_info(cluster, at, &info))
        harness_fail("node %zu does not answer RAFT.INFO", at + 1);
    return info_number(&info, field);
}

static void must_be_at(const struct cluster *cluster, uint64_t level, const char *when) {
    for (size_t at = 0; at < cluster->count; at++)
        if (cluster->nodes[at].pid != 0 && number_of(cluster, at, "feature_level") != level)
            harness_fail("%s: node %zu is at feature level %llu, not %llu", when, at + 1,
                         (unsigned long long)number_of(cluster, at, "feature_level"),
                         (unsigned long long)level);
}

static void wait_above(const struct cluster *cluster, size_t at, const char *field, uint64_t number) {
    uint64_t until = harness_now_ms() + harness_scaled_ms(SETTLE_MS);
    while (!cluster_info(cluster, at, &info) || info_number(&info, field) <= number) {
        if (harness_now_ms() > until)
            harness_fail("node %zu never showed %s above %llu", at + 1, field, (unsigned long long)number);
        harness_sleep_ms(20);
    }
}

static void wait_level(const struct cluster *cluster, uint64_t level) {
    for (size_t at = 0; at < cluster->count; at++)
        if (cluster->nodes[at].pid != 0)
            wait_above(cluster, at, "feature_level", level - 1);
    must_be_at(cluster, level, "after the rise");
}

static void must_be_held_by(const struct cluster *cluster, size_t at, const char *ids) {
    char held[64] = "";
    uint64_t until = harness_now_ms() + harness_scaled_ms(SETTLE_MS);
    while (!cluster_info(cluster, at, &info) ||
           !info_text(&info, "feature_level_held_by", held, sizeof held) || strcmp(held, ids) != 0) {
        if (harness_now_ms() > until)
            harness_fail("node %zu says feature_level_held_by:%s, not %s", at + 1, held, ids);
        harness_sleep_ms(20);
    }
}

/* All that run were found to have the same state, at an entry after all that is there now. */
static void states_must_be_equal(const struct cluster *cluster) {
    size_t leader = cluster_wait_equal(cluster);
    uint64_t index = number_of(cluster, leader, "last_applied_index");
    for (size_t at = 0; at < cluster->count; at++)
        if (cluster->nodes[at].pid != 0) {
            wait_above(cluster, at, "audit_index", index);
            assert_true(info_is(&info, "state_differs", "no"));
        }
}

static void say(const struct cluster *cluster, size_t at, const char *words, const char *expected) {
    struct wire *wire = wire_open(cluster->nodes[at].port, harness_scaled_ms(WIRE_MS));
    const char *reply = wire == NULL ? "closed" : wire_ask(wire, words);
    if (strncmp(reply, expected, strlen(expected)) != 0)
        harness_fail("%s: %s, expected %s", words, reply, expected);
    wire_close(wire);
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

static void restart(struct cluster *cluster, size_t at, const char *const *options, bool killed) {
    if (killed)
        cluster_kill(cluster, at);
    else
        assert_int_equal(cluster_end(cluster, at), 0);
    cluster->nodes[at].options = options;
    cluster_spawn(cluster, at);
}

static struct cluster *start_old(size_t count, size_t old, const char *const *options) {
    struct cluster *cluster = cluster_prepare(count, options, NULL);
    for (size_t at = count - old; at < count; at++)
        cluster->nodes[at].options = as_old;
    cluster_spawn_all(cluster);
    cluster_wait_equal(cluster);
    return cluster;
}

/* It ends by itself, with these words. */
static void must_refuse(struct cluster *cluster, size_t at, const char *words) {
    int status = -1;
    if (!cluster_wait_end(cluster, at, harness_scaled_ms(SETTLE_MS), &status))
        harness_fail("node %zu does not end", at + 1);
    assert_int_equal(status, 1);
    if (!cluster_said(cluster, at, words))
        harness_fail("node %zu did not say: %s", at + 1, words);
}

/* ---- upgrades ----------------------------------------------------------------------------------------------------- */

static void a_rolling_upgrade_under_load_loses_nothing_and_ends_at_the_new_level(void **state) {
    static const char *const held[] = {"1,2,3", "2,3", "3"};
    (void)state;
    struct cluster *cluster = start_old(3, 3, every_second);
    struct load *load = load_start(cluster, "upgrade", WRITERS, WRITE_PAUSE_US);
    harness_sleep_ms(STEADY_MS);
    for (size_t at = 0; at < 3; at++) {
        must_be_at(cluster, 1, "while some are old");
        assert_int_equal(number_of(cluster, at, "audit_index"), 0); /* which would be an entry of level 2 */
        if (at > 0)
            must_be_held_by(cluster, 0, held[at]);
        restart(cluster, at, NULL, at == 1);
        cluster_wait_equal(cluster);
        harness_sleep_ms(STEADY_MS / 3);
    }
    wait_level(cluster, 2);
    states_must_be_equal(cluster);
    load_stop(load);
    for (size_t at = 0; at < 3; at++) {
        assert_true(cluster_said(cluster, at, "the feature level is 2 from entry"));
        must_be_held_by(cluster, at, "");
    }
    load_must_hold(load, "after the upgrade");
    cluster_kill_all(cluster); /* the level is state like any other */
    cluster_spawn_all(cluster);
    cluster_wait_equal(cluster);
    must_be_at(cluster, 2, "after all were killed");
    load_must_hold(load, "after all were killed");
    load_free(load);
    cluster_free(cluster);
}

static void the_way_back_is_open_until_the_level_rises(void **state) {
    (void)state;
    struct cluster *cluster = start_old(3, 1, every_second);
    struct load *load = load_start(cluster, "back", WRITERS, WRITE_PAUSE_US);
    harness_sleep_ms(STEADY_MS / 3);
    for (size_t at = 0; at < 2; at++) {
        restart(cluster, at, as_old, at == 1);
        cluster_wait_equal(cluster);
    }
    must_be_at(cluster, 1, "with all of them old again");
    load_stop(load);
    load_must_hold(load, "after the way back");
    load_free(load);
    cluster_free(cluster);
}

/* Five nodes: 5 is the old one, 4 the one that is away. */
static void comes_back_after_the_rise(const char *const *options, bool by_snapshot) {
    enum { AWAY = 3, OLD = 4 };
    struct cluster *cluster = start_old(5, 1, options);
    struct load *load = load_start(cluster, "away", WRITERS, WRITE_PAUSE_US);
    size_t leader = cluster_wait_leader(cluster);
    if (leader >= AWAY) { /* whoever leads must have met it */
        say(cluster, leader, "RAFT.TRANSFER_LEADER 1", "+OK");
        leader = cluster_wait_leader(cluster);
    }
    must_be_held_by(cluster, leader, "5");
    cluster_kill(cluster, AWAY);
    uint64_t reached = number_of(cluster, leader, "last_log_index"); /* it was no further when it died */
    restart(cluster, OLD, NULL, false);
    wait_level(cluster, 2);
    if (by_snapshot)
        wait_above(cluster, cluster_wait_leader(cluster), "log_first_index", reached + 1);
    cluster_spawn(cluster, AWAY);
    cluster_wait_equal(cluster);
    must_be_at(cluster, 2, "with the one that was away");
    assert_int_equal(number_of(cluster, AWAY, "snapshots_received") > 0, by_snapshot);
    states_must_be_equal(cluster);
    load_stop(load);
    load_must_hold(load, "after the rise");
    load_free(load);
    cluster_free(cluster);
}

static void who_was_away_during_the_rise_comes_back_by_the_log(void **state) {
    (void)state;
    comes_back_after_the_rise(every_second, false);
}

static void who_was_away_during_the_rise_comes_back_by_a_snapshot(void **state) {
    (void)state;
    comes_back_after_the_rise(cut_often, true);
}

/* ---- too old ------------------------------------------------------------------------------------------------------ */

static void a_member_that_goes_back_behind_the_level_is_refused_and_ends(void **state) {
    (void)state;
    struct cluster *cluster = cluster_new(3, NULL);
    wait_level(cluster, 2);
    size_t leader = cluster_wait_equal(cluster), old = (leader + 1) % 3;
    say(cluster, leader, "SET key before", "+OK");
    restart(cluster, old, as_old, false); /* its data file is of level 1 still, as it was made */
    must_refuse(cluster, old,
                "offers feature level 1, and the cluster is at 2: it needs a redraft that knows");
    say(cluster, cluster_wait_leader(cluster), "SET key after", "+OK"); /* the others go on */
    cluster->nodes[old].options = NULL;
    cluster_spawn(cluster, old);
    cluster_wait_equal(cluster);
    say(cluster, old, "RAFT.SNAPSHOT", "+OK");
    wait_above(cluster, old, "checkpoint_index", 0);
    restart(cluster, old, as_old, false);
    must_refuse(cluster, old, "the state is of feature level 2, and up to 1 is offered here");
    cluster->nodes[old].options = NULL;
    cluster_spawn(cluster, old);
    cluster_wait_equal(cluster);
    cluster_make_leader(cluster, old);
    say(cluster, old, "GET key", "$5 after");
    cluster_free(cluster);
}

/* Their data files are of level 1, their logs go beyond: they elect a leader, and meet the entry that raises the level. */
static void a_whole_cluster_that_goes_back_applies_nothing_and_ends(void **state) {
    (void)state;
    struct cluster *cluster = cluster_new(3, NULL);
    wait_level(cluster, 2);
    say(cluster, cluster_wait_leader(cluster), "SET key value", "+OK");
    for (size_t at = 0; at < 3; at++)
        cluster_kill(cluster, at);
    for (size_t at = 0; at < 3; at++) {
        cluster->nodes[at].options = as_old;
        cluster_spawn(cluster, at);
    }
    size_t ended = 0, said = 0;
    uint64_t until = harness_now_ms() + harness_scaled_ms(SETTLE_MS);
    bool gone[3] = {false};
    while (ended < 2) { /* the last one has no majority left, and waits */
        for (size_t at = 0; at < 3; at++) {
            int status;
            if (gone[at] || !cluster_wait_end(cluster, at, 20, &status))
                continue;
            assert_int_equal(status, 1);
            gone[at] = true;
            ended++;
            said += cluster_said(cluster, at, "is of feature level 2, and this node goes up to 1");
        }
        if (harness_now_ms() > until)
            harness_fail("%zu of 3 have ended", ended);
    }
    assert_true(said >= 1);
    cluster_kill_all(cluster);
    for (size_t at = 0; at < 3; at++)
        cluster->nodes[at].options = NULL;
    cluster_spawn_all(cluster);
    say(cluster, cluster_wait_equal(cluster), "GET key", "$5 value");
    must_be_at(cluster, 2, "as it was");
    cluster_free(cluster);
}

/* `--restore` of a file into a directory of its own, under these options. */
static int restore(const struct cluster *cluster, const char *file, const char *max, const char *words) {
    struct process_result result;
    char dir[CLUSTER_PATH_MAX + 16];
    snprintf(dir, sizeof dir, "%s/restored", cluster->dir);
    const char *const argv[] = {cluster_binary(),           "--restore", file, "--dir", dir, "--raft-id", "1",
                                "--raft-feature-level-max", max,         NULL};
    process_run(argv, NULL, 0, harness_scaled_ms(SETTLE_MS), &result);
    if (strstr(result.output, words) == NULL)
        harness_fail("%s does not say: %s", result.output, words);
    free(result.output);
    return result.status;
}

static void a_backup_is_restored_by_who_knows_its_level(void **state) {
    char backups[CLUSTER_PATH_MAX], file[CLUSTER_PATH_MAX + 16];
    (void)state;
    struct cluster *cluster = cluster_prepare(1, NULL, NULL);
    snprintf(backups, sizeof backups, "%.200s", cluster->dir);
    const char *const options[] = {"--backup-dir", backups, NULL};
    cluster->options = options;
    cluster_spawn_all(cluster);
    cluster_wait_leader(cluster);
    wait_level(cluster, 2);
    say(cluster, 0, "RAFT.BACKUP whole", "*8");
    snprintf(file, sizeof file, "%s/whole", backups);
    assert_int_equal(restore(cluster, file, "1", "the state is of feature level 2, and up to 1 is offered"),
                     1);
    assert_int_equal(restore(cluster, file, "2", "the only member of a new cluster"), 0);
    cluster_free(cluster);
}

/* ---- new nodes ---------------------------------------------------------------------------------------------------- */

static void a_new_node_must_offer_the_clusters_level(void **state) {
    static char founder[64], join[64], words[64];
    static const char *const members[] = {founder, NULL}, *const nobody[] = {NULL};
    static const char *const joins[] = {"--raft-join", join, NULL};
    static const char *const joins_as_old[] = {"--raft-join", join, "--raft-feature-level-max", "1", NULL};
    (void)state;
    struct cluster *cluster = cluster_prepare(2, NULL, NULL);
    snprintf(founder, sizeof founder, "1 127.0.0.1:%u", cluster->nodes[0].port);
    snprintf(join, sizeof join, "127.0.0.1:%u", cluster->nodes[0].port);
    cluster->nodes[0].members = members;
    cluster->nodes[1].members = nobody;
    cluster_spawn(cluster, 0);
    cluster_wait_leader(cluster);
    wait_above(cluster, 0, "feature_level", 1);
    snprintf(words, sizeof words, "RAFT.NODE ADD 2 127.0.0.1:%u", cluster->nodes[1].port);
    say(cluster, 0, words, "+OK");
    cluster->nodes[1].options = joins_as_old;
    cluster_spawn(cluster, 1);
    must_refuse(cluster, 1, "this node cannot be taken in as it is: node 2 offers feature level 1");
    cluster->nodes[1].options = joins;
    cluster_spawn(cluster, 1);
    cluster_wait_equal(cluster);
    must_be_at(cluster, 2, "with the new node");
    cluster_free(cluster);
}

/* One that joins counts as soon as it is on the list, voter or not. */
static void a_new_node_that_is_old_holds_the_level(void **state) {
    static char founder[64], join[64], words[64];
    static const char *const members[] = {founder, NULL}, *const nobody[] = {NULL};
    static const char *const joins_as_old[] = {"--raft-join", join, "--raft-feature-level-max", "1", NULL};
    (void)state;
    struct cluster *cluster = cluster_prepare(2, NULL, NULL);
    snprintf(founder, sizeof founder, "1 127.0.0.1:%u", cluster->nodes[0].port);
    snprintf(join, sizeof join, "127.0.0.1:%u", cluster->nodes[0].port);
    cluster->nodes[0].members = members;
    cluster->nodes[0].options = as_old;
    cluster->nodes[1].members = nobody;
    cluster->nodes[1].options = joins_as_old;
    cluster_spawn_all(cluster);
    snprintf(words, sizeof words, "RAFT.NODE ADD 2 127.0.0.1:%u", cluster->nodes[1].port);
    cluster_wait_leader(cluster);
    say(cluster, 0, words, "+OK");
    cluster_wait_equal(cluster);
    restart(cluster, 0, NULL, false);
    cluster_wait_equal(cluster);
    must_be_held_by(cluster, 0, "2");
    must_be_at(cluster, 1, "with one that is old");
    size_t leader = cluster_wait_leader(cluster);
    if (leader != 0)
        say(cluster, leader, "RAFT.TRANSFER_LEADER 1", "+OK");
    say(cluster, 0, "RAFT.NODE REMOVE 2", "+OK"); /* which leaves nobody who is old */
    wait_above(cluster, 0, "feature_level", 1);
    cluster_free(cluster);
}

#define TEST(name) cmocka_unit_test_teardown(name, load_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_rolling_upgrade_under_load_loses_nothing_and_ends_at_the_new_level),
        TEST(the_way_back_is_open_until_the_level_rises),
        TEST(who_was_away_during_the_rise_comes_back_by_the_log),
        TEST(who_was_away_during_the_rise_comes_back_by_a_snapshot),
        TEST(a_member_that_goes_back_behind_the_level_is_refused_and_ends),
        TEST(a_whole_cluster_that_goes_back_applies_nothing_and_ends),
        TEST(a_backup_is_restored_by_who_knows_its_level),
        TEST(a_new_node_must_offer_the_clusters_level),
        TEST(a_new_node_that_is_old_holds_the_level),
    };
    return cmocka_run_group_tests_name("upgrade", tests, NULL, NULL);
}
