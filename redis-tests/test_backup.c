/* SPDX-License-Identifier: MIT */
/*
 * The ways out: a backup of a node that serves, a cluster of one made of it, a cluster of one made of what a lost cluster has left.
 * Everything acknowledged before is in it, nothing that it came from is changed, and what cannot be done is refused in words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "harness/cluster.h"
#include "harness/expect.h"
#include "harness/load.h"
#include "harness/wire.h"

enum { KEYS = 300, WRITERS = 4, WRITE_PAUSE_US = 500, WIRE_MS = 20000, TOOL_MS = 20000, END_MS = 10000 };

static struct info info;

static struct wire *wire_to(const struct cluster *cluster, size_t at) {
    return wire_open(cluster->nodes[at].port, harness_scaled_ms(WIRE_MS));
}

static void write_keys(struct wire *wire, int from, int to) {
    char words[64];
    for (int i = from; i < to; i++) {
        snprintf(words, sizeof words, "SET key:%d value:%d", i, i);
        expect_start(wire, words, "+OK");
    }
}

static void keys_must_be_there(struct wire *wire, int count) {
    char words[64], expected[64], value[32];
    for (int i = 0; i < count; i++) {
        snprintf(words, sizeof words, "GET key:%d", i);
        int length = snprintf(value, sizeof value, "value:%d", i);
        snprintf(expected, sizeof expected, "$%d %s", length, value);
        expect_start(wire, words, expected);
    }
}

static void cluster_id(const struct cluster *cluster, size_t at, char id[64]) {
    assert_true(cluster_info(cluster, at, &info));
    assert_true(info_text(&info, "cluster_id", id, 64));
}

/* A directory beside the nodes' own. */
static const char *backups_of(const struct cluster *cluster) {
    static char path[CLUSTER_PATH_MAX];
    snprintf(path, sizeof path, "%.200s/backups", cluster->dir);
    mkdir(path, 0755);
    return path;
}

/* The node says `--restore file` or `--recover` and its own arguments; the words that it says must be among the output's. */
static int tool(struct cluster *cluster, size_t at, const char *const *what, const char *words) {
    struct node *node = &cluster->nodes[at];
    struct process_result result;
    char id[16], port[16], member[CLUSTER_NODES_MAX][64], member_id[CLUSTER_NODES_MAX][16];
    const char *argv[32] = {cluster_binary()};
    size_t count = 1;
    for (; *what; what++)
        argv[count++] = *what;
    snprintf(id, sizeof id, "%u", node->id);
    snprintf(port, sizeof port, "%u", node->port);
    const char *const own[] = {"--raft-id", id, "--port", port, "--dir", node->dir};
    for (size_t i = 0; i < 6; i++)
        argv[count++] = own[i];
    for (size_t i = 0; i < cluster->count; i++) {
        snprintf(member_id[i], sizeof member_id[i], "%u", cluster->nodes[i].id);
        snprintf(member[i], sizeof member[i], "127.0.0.1:%u", cluster->nodes[i].port);
        argv[count++] = "--raft-node";
        argv[count++] = member_id[i];
        argv[count++] = member[i];
    }
    argv[count] = NULL;
    process_run(argv, NULL, 0, harness_scaled_ms(TOOL_MS), &result);
    if (!result.in_time || !strstr(result.output, words))
        harness_fail("%s says \"%s\", not \"%s\"", argv[1], result.output, words);
    free(result.output);
    return result.status;
}

static int restore(struct cluster *cluster, const char *file, const char *words) {
    const char *const what[] = {"--restore", file, NULL};
    return tool(cluster, 0, what, words);
}

static int recover(struct cluster *cluster, size_t at, bool sure, const char *words) {
    const char *const what[] = {"--recover", sure ? "--yes" : NULL, NULL};
    return tool(cluster, at, what, words);
}

/* ---- backup and restore -------------------------------------------------------------------------------------------- */

static void a_backup_made_under_load_becomes_a_cluster_of_one(void **state) {
    char old_id[64], new_id[64], file[CLUSTER_PATH_MAX + 16];
    size_t before_length, after_length;
    (void)state;
    struct cluster *cluster = cluster_prepare(3, NULL, NULL);
    const char *const options[] = {"--backup-dir", backups_of(cluster), NULL};
    cluster->options = options;
    cluster_spawn_all(cluster);
    size_t leader = cluster_wait_leader(cluster);
    struct wire *wire = wire_to(cluster, leader);
    write_keys(wire, 0, KEYS);
    wire_close(wire);
    leader = cluster_wait_equal(cluster);
    cluster_id(cluster, leader, old_id);
    struct load *load = load_start(cluster, "load", WRITERS, WRITE_PAUSE_US);
    if (load_wait_ack(load, harness_now_us(), harness_scaled_ms(END_MS)) == 0)
        harness_fail("no write was acknowledged");

    struct wire *follower = wire_to(cluster, (leader + 1) % 3);
    expect_start(follower, "RAFT.BACKUP of-follower.db", "*8 $4 name $14 of-follower.db $5 index :");
    wire = wire_to(cluster, leader);
    expect_start(wire, "RAFT.BACKUP of-leader", "*8 $4 name $9 of-leader $5 index :");
    expect_start(wire, "RAFT.BACKUP of-leader", "-ERR there is no backup: ");
    load_stop(load);
    load_must_hold(load, "behind two backups");
    assert_true(cluster_info(cluster, leader, &info));
    assert_int_equal(info_number(&info, "backup_count"), 1);
    assert_true(info_number(&info, "backup_last_bytes") > 4096);
    wire_close(wire);
    wire_close(follower);

    struct cluster *single = cluster_prepare(1, NULL, NULL);
    snprintf(file, sizeof file, "%s/of-follower.db", backups_of(cluster));
    char *before = file_read(file, &before_length);
    assert_int_equal(restore(single, file, "the only member of a new cluster"), 0);
    char *after = file_read(file, &after_length);
    assert_int_equal(before_length, after_length);
    assert_memory_equal(before, after, before_length);
    free(before), free(after);
    cluster_spawn(single, 0);
    cluster_wait_leader(single);
    cluster_id(single, 0, new_id);
    assert_string_not_equal(new_id, old_id);
    assert_int_equal(info_number(&info, "num_voting_nodes"), 1);
    wire = wire_to(single, 0);
    keys_must_be_there(wire, KEYS);
    expect_start(wire, "SET key:0 changed", "+OK");
    wire_close(wire);

    cluster_kill(single, 0);
    assert_int_equal(restore(single, file, "raft.db is there"), 1);
    cluster_spawn(single, 0);
    cluster_wait_leader(single);
    wire = wire_to(single, 0);
    expect_start(wire, "GET key:0", "$7 changed");
    wire_close(wire);
    load_free(load);
    cluster_free(single);
    cluster_free(cluster);
}

/* The second is refused while the first is made; whoever waits for it is served on behind it, and everybody else meanwhile. */
static void one_backup_is_made_at_a_time_and_clients_are_served(void **state) {
    (void)state;
    struct cluster *cluster = cluster_prepare(1, NULL, NULL);
    const char *const options[] = {"--backup-dir", backups_of(cluster), NULL};
    cluster->options = options;
    cluster_spawn(cluster, 0);
    cluster_wait_leader(cluster);
    struct wire *one = wire_to(cluster, 0), *other = wire_to(cluster, 0), *gone = wire_to(cluster, 0);
    expect_start(one, "SETRANGE large 30000000 x", ":30000001");
    wire_send_words(one, "RAFT.BACKUP first");
    wire_send_words(one, "SET behind it");
    while (!cluster_info(cluster, 0, &info) || !info_is(&info, "backup_in_progress", "1"))
        if (info_number(&info, "backup_count") > 0)
            harness_fail("a backup of 30 MB was done before anybody could see it");
    expect_start(other, "RAFT.BACKUP second", "-ERR a backup is being made already");
    expect_start(other, "SET beside it", "+OK");
    expect_start(other, "EXISTS behind", ":0");
    const char *reply = wire_next(one);
    if (strncmp(reply, "*8 $4 name $5 first", 19) != 0)
        harness_fail("the backup: %s", reply);
    assert_string_equal(wire_next(one), "+OK");
    assert_string_equal(wire_ask(other, "EXISTS behind"), ":1");

    wire_send_words(gone, "RAFT.BACKUP third");
    while (!cluster_info(cluster, 0, &info) || info_number(&info, "backup_in_progress") == 0)
        if (info_number(&info, "backup_count") > 1)
            break;
    wire_close(gone);
    uint64_t until = harness_now_ms() + harness_scaled_ms(END_MS);
    while (!cluster_info(cluster, 0, &info) || info_number(&info, "backup_count") < 2)
        if (harness_now_ms() > until)
            harness_fail("the backup that nobody waits for is not made");
    wire_close(one);
    wire_close(other);
    cluster_free(cluster);
}

static void a_backup_that_cannot_be_is_refused_in_words(void **state) {
    static const char *const bad[] = {"../key", "/tmp/key", ".key", "a/b", "a\\\\b", "..", "ключ", "a$b"};
    (void)state;
    struct cluster *cluster = cluster_prepare(1, NULL, NULL);
    cluster_spawn(cluster, 0);
    cluster_wait_leader(cluster);
    struct wire *wire = wire_to(cluster, 0);
    expect_start(wire, "RAFT.BACKUP name", "-ERR backups are off: set backup-dir");
    expect_start(wire, "CONFIG SET backup-dir /tmp", "-ERR");
    wire_close(wire);
    assert_int_equal(cluster_end(cluster, 0), 0);

    char nowhere[CLUSTER_PATH_MAX + 16];
    snprintf(nowhere, sizeof nowhere, "%s/not-there", backups_of(cluster));
    const char *const options[] = {"--backup-dir", nowhere, NULL};
    cluster->options = options;
    cluster_spawn(cluster, 0);
    cluster_wait_leader(cluster);
    wire = wire_to(cluster, 0);
    char words[128 + 16] = "RAFT.BACKUP ";
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(words + 12, sizeof words - 12, "%s", bad[i]);
        expect_start(wire, words, "-ERR a backup's name has");
    }
    memset(words + 12, 'x', 101);
    words[12 + 101] = 0;
    expect_start(wire, words, "-ERR a backup's name has");
    expect_start(wire, "RAFT.BACKUP name", "-ERR there is no backup: ");
    assert_true(strstr(wire_ask(wire, "RAFT.BACKUP name"), "No such file or directory") != NULL);
    assert_true(cluster_info(cluster, 0, &info));
    assert_int_equal(info_number(&info, "backup_count"), 0);
    wire_close(wire);
    cluster_free(cluster);
}

/* A node that ends while a backup is made says so to whoever waits for it, and leaves no half of a file. */
static void the_end_of_the_node_ends_its_backup(void **state) {
    char file[CLUSTER_PATH_MAX + 16];
    (void)state;
    struct cluster *cluster = cluster_prepare(1, NULL, NULL);
    const char *const options[] = {"--backup-dir", backups_of(cluster), NULL};
    cluster->options = options;
    cluster_spawn(cluster, 0);
    cluster_wait_leader(cluster);
    struct wire *wire = wire_to(cluster, 0);
    for (int i = 0; i < 4; i++)
        expect_start(wire, i & 1 ? "SETRANGE b 40000000 x" : "SETRANGE a 40000000 x", ":40000001");
    wire_send_words(wire, "RAFT.BACKUP name");
    while (!cluster_info(cluster, 0, &info) || !info_is(&info, "backup_in_progress", "1"))
        ;
    assert_int_equal(cluster_end(cluster, 0), 0);
    snprintf(file, sizeof file, "%s/name", backups_of(cluster));
    const char *reply = wire_next(wire);
    char *there = file_read(file, NULL);
    if (there ? strncmp(reply, "*8", 2) != 0 : strncmp(reply, "-ERR there is no backup: ", 25) != 0)
        harness_fail("the file is %sthere, and the answer is %s", there ? "" : "not ", reply);
    free(there);
    strcat(file, ".tmp");
    assert_null(file_read(file, NULL));
    wire_close(wire);
    cluster_free(cluster);
}

static void what_is_no_backup_is_not_restored(void **state) {
    char file[CLUSTER_PATH_MAX + 16], made[CLUSTER_PATH_MAX + 16];
    size_t length;
    (void)state;
    struct cluster *cluster = cluster_prepare(2, NULL, NULL);
    const char *const options[] = {"--backup-dir", backups_of(cluster), NULL};
    cluster->options = options;
    cluster->count = 1;
    cluster_spawn(cluster, 0);
    cluster_wait_leader(cluster);
    struct wire *wire = wire_to(cluster, 0);
    write_keys(wire, 0, KEYS);
    expect_start(wire, "RAFT.BACKUP whole", "*8");
    wire_close(wire);
    cluster_kill(cluster, 0);
    snprintf(file, sizeof file, "%s/whole", backups_of(cluster));
    char *bytes = file_read(file, &length);
    bytes[length / 2] ^= 4;
    snprintf(file, sizeof file, "%s/damaged", backups_of(cluster));
    file_write(file, bytes, length);
    cluster->nodes[0] = cluster->nodes[1]; /* another directory */
    assert_int_equal(restore(cluster, file, "nothing was restored"), 1);
    file_write(file, "no database", 11);
    assert_int_equal(restore(cluster, file, "nothing was restored"), 1);
    snprintf(file, sizeof file, "%s/missing", backups_of(cluster));
    assert_int_equal(restore(cluster, file, "nothing was restored"), 1);
    snprintf(made, sizeof made, "%s/raft.db", cluster->nodes[0].dir);
    assert_null(file_read(made, NULL));
    free(bytes);
    cluster_free(cluster);
}

/* ---- a lost quorum ---------------------------------------------------------------------------------------------------- */

static void what_a_lost_cluster_has_left_goes_on_as_a_cluster_of_one(void **state) {
    char old_id[64], new_id[64], aside[CLUSTER_PATH_MAX + 64];
    (void)state;
    struct cluster *cluster = cluster_new(3, NULL);
    size_t leader = cluster_wait_leader(cluster);
    struct wire *wire = wire_to(cluster, leader);
    write_keys(wire, 0, KEYS / 2);
    expect_start(wire, "RAFT.SNAPSHOT", "+OK");
    write_keys(wire, KEYS / 2, KEYS);
    wire_close(wire);
    leader = cluster_wait_equal(cluster);
    cluster_id(cluster, leader, old_id);
    assert_int_equal(recover(cluster, leader, true, "in use by"), 1);
    cluster_kill_all(cluster);

    assert_int_equal(recover(cluster, leader, false, "Nothing was changed"), 1);
    cluster_spawn_all(cluster); /* as good as its word */
    leader = cluster_wait_equal(cluster);
    cluster_id(cluster, leader, new_id);
    assert_string_equal(new_id, old_id);
    cluster_kill_all(cluster);

    assert_int_equal(recover(cluster, leader, true, "LOST is every write"), 0);
    snprintf(aside, sizeof aside, "%s/before-recovery-%.8s", cluster->nodes[leader].dir, old_id);
    cluster_spawn(cluster, leader);
    assert_int_equal(cluster_wait_leader(cluster), leader);
    cluster_id(cluster, leader, new_id);
    assert_string_not_equal(new_id, old_id);
    assert_int_equal(info_number(&info, "num_voting_nodes"), 1);
    wire = wire_to(cluster, leader);
    keys_must_be_there(wire, KEYS);
    expect_start(wire, "SET only here", "+OK");

    /* The others still are the old cluster, and the two never meet. */
    size_t second = (leader + 1) % 3, third = (leader + 2) % 3;
    cluster_spawn(cluster, second);
    cluster_spawn(cluster, third);
    char words[64];
    snprintf(words, sizeof words, "no link with node %zu: it says", leader + 1);
    if (!cluster_wait_said(cluster, second, words, harness_scaled_ms(END_MS)))
        harness_fail("the old cluster does not say that it is refused");
    expect_start(wire, "GET only", "$4 here");
    assert_true(cluster_info(cluster, leader, &info));
    assert_int_equal(info_number(&info, "num_nodes"), 1);
    wire_close(wire);

    /* And with its old files the node is the old one's member again. */
    cluster_kill(cluster, leader);
    char moved[CLUSTER_PATH_MAX + 16];
    snprintf(moved, sizeof moved, "%s/old", cluster->dir);
    directory_copy(aside, moved);
    directory_remove(cluster->nodes[leader].dir);
    directory_copy(moved, cluster->nodes[leader].dir);
    cluster_spawn(cluster, leader);
    leader = cluster_wait_equal(cluster);
    cluster_id(cluster, leader, new_id);
    assert_string_equal(new_id, old_id);
    wire = wire_to(cluster, leader);
    keys_must_be_there(wire, KEYS);
    expect_start(wire, "EXISTS only", ":0");
    wire_close(wire);
    cluster_free(cluster);
}

static void where_no_node_has_lived_nothing_is_recovered(void **state) {
    char made[CLUSTER_PATH_MAX + 16];
    (void)state;
    struct cluster *cluster = cluster_prepare(3, NULL, NULL);
    assert_int_equal(recover(cluster, 0, true, "no node has lived"), 1);
    snprintf(made, sizeof made, "%s/raft.db", cluster->nodes[0].dir);
    assert_null(file_read(made, NULL));
    cluster_spawn(cluster, 0); /* alone: the cluster does not form */
    if (!cluster_wait_said(cluster, 0, "made ", harness_scaled_ms(END_MS)))
        harness_fail("the node has not made its files");
    cluster_kill(cluster, 0);
    assert_int_equal(recover(cluster, 0, true, "has not formed yet"), 1);
    cluster_free(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_backup_made_under_load_becomes_a_cluster_of_one, load_teardown),
        cmocka_unit_test_teardown(one_backup_is_made_at_a_time_and_clients_are_served, cluster_teardown),
        cmocka_unit_test_teardown(a_backup_that_cannot_be_is_refused_in_words, cluster_teardown),
        cmocka_unit_test_teardown(the_end_of_the_node_ends_its_backup, cluster_teardown),
        cmocka_unit_test_teardown(what_is_no_backup_is_not_restored, cluster_teardown),
        cmocka_unit_test_teardown(what_a_lost_cluster_has_left_goes_on_as_a_cluster_of_one, cluster_teardown),
        cmocka_unit_test_teardown(where_no_node_has_lived_nothing_is_recovered, cluster_teardown),
    };
    return cmocka_run_group_tests_name("backup", tests, NULL, NULL);
}
