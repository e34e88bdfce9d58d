/* SPDX-License-Identifier: MIT */
/*
 * A disk that fills up under a node: what is refused and for how long, what is tried again, what ends and what goes on. The disks are
 * small ones in memory (tmpfs), mounted for the test; where that is not permitted, the test says so and is skipped.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/cluster.h"
#include "harness/expect.h"
#include "harness/load.h"
#include "harness/wire.h"

enum { DISK_MB = 24, RESERVE_MB = 8, MB = 1024 * 1024, WIRE_MS = 20000, SEEN_MS = 10000 };

static struct info info;
static char disks[CLUSTER_NODES_MAX][CLUSTER_PATH_MAX]; /* mounted by the running test */

/* ---- disks ------------------------------------------------------------------------------------------------------------- */

static void mount_disk(struct cluster *cluster, size_t at) {
    char options[32];
    snprintf(options, sizeof options, "size=%dm", DISK_MB);
    if (mount("tmpfs", cluster->nodes[at].dir, "tmpfs", 0, options) != 0) {
        int error = errno;
        cluster_free(cluster);
        harness_say("skipped: a small disk cannot be mounted: %s", strerror(error));
        skip();
    }
    snprintf(disks[at], sizeof disks[at], "%s", cluster->nodes[at].dir);
}

static void unmount_disks(void) {
    for (size_t at = 0; at < CLUSTER_NODES_MAX; at++) {
        if (disks[at][0])
            umount2(disks[at], MNT_DETACH);
        disks[at][0] = 0;
    }
}

static int teardown(void **state) {
    int result = load_teardown(state);
    unmount_disks();
    return result;
}

static void end_disks(struct cluster *cluster) {
    for (size_t at = 0; at < cluster->count; at++)
        if (cluster->nodes[at].pid != 0)
            assert_int_equal(cluster_end(cluster, at), 0);
    unmount_disks();
    cluster_free(cluster);
}

static uint64_t free_bytes(const struct cluster *cluster, size_t at) {
    struct statvfs status;
    assert_int_equal(statvfs(cluster->nodes[at].dir, &status), 0);
    return (uint64_t)status.f_bavail * status.f_frsize;
}

static void ballast_path(const struct cluster *cluster, size_t at, char path[CLUSTER_PATH_MAX + 16]) {
    snprintf(path, CLUSTER_PATH_MAX + 16, "%s/ballast", cluster->nodes[at].dir);
}

/* Another program's file takes all but so much of the disk. */
static void leave_free(const struct cluster *cluster, size_t at, uint64_t bytes) {
    char path[CLUSTER_PATH_MAX + 16];
    ballast_path(cluster, at, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    static const char zeros[65536];
    assert_true(fd >= 0);
    while (free_bytes(cluster, at) >= bytes + sizeof zeros)
        if (write(fd, zeros, sizeof zeros) != sizeof zeros)
            break;
    close(fd);
}

static void remove_ballast(const struct cluster *cluster, size_t at) {
    char path[CLUSTER_PATH_MAX + 16];
    ballast_path(cluster, at, path);
    assert_int_equal(unlink(path), 0);
}

/* ---- asking ------------------------------------------------------------------------------------------------------------ */

static void wait_field(struct cluster *cluster, size_t at, const char *field, const char *value) {
    cluster_wait_field(cluster, at, field, value, harness_scaled_ms(SEEN_MS), &info);
}

static const char *const reserve[] = {"--raft-disk-reserve", "8mb", NULL};
static const char *const no_reserve[] = {"--raft-disk-reserve", "0", NULL};

/* ---- the reserve -------------------------------------------------------------------------------------------------------- */

static void below_the_reserve_growing_writes_are_refused_until_there_is_room(void **state) {
    (void)state;
    struct cluster *cluster = cluster_prepare(1, reserve, NULL);
    mount_disk(cluster, 0);
    cluster_spawn(cluster, 0);
    cluster_wait_leader(cluster);
    struct wire *wire = wire_open(cluster->nodes[0].port, harness_scaled_ms(WIRE_MS));
    expect_start(wire, "SET a 1", "+OK");
    expect_start(wire, "SET b 2", "+OK");
    wait_field(cluster, 0, "disk_low", "no");
    assert_int_equal(info_number(&info, "disk_reserve"), RESERVE_MB * MB);
    assert_true(info_number(&info, "disk_free") > RESERVE_MB * MB);

    leave_free(cluster, 0, RESERVE_MB * MB - MB);
    wait_field(cluster, 0, "disk_low", "yes");
    assert_true(info_is(&info, "health", "degraded"));
    assert_true(cluster_said(cluster, 0, "disk low: "));
    uint64_t index = info_number(&info, "last_log_index");
    expect_start(wire, "SET c 3", "-MISCONF the leader's disk is nearly full");
    expect_start(wire, "APPEND a 1", "-MISCONF");
    assert_true(cluster_info(cluster, 0, &info));
    assert_int_equal(info_number(&info, "last_log_index"), index); /* nothing was proposed */
    expect_start(wire, "GET a", "$1 1");
    expect_start(wire, "DEL b", ":1");
    expect_start(wire, "EXPIRE a 1000", ":1");

    remove_ballast(cluster, 0);
    wait_field(cluster, 0, "disk_low", "no");
    assert_true(cluster_said(cluster, 0, "all writes are taken"));
    expect_start(wire, "SET c 3", "+OK");
    expect_start(wire, "CONFIG SET raft-disk-reserve 100mb", "+OK"); /* more than there is */
    wait_field(cluster, 0, "disk_low", "yes");
    expect_start(wire, "SET d 4", "-MISCONF");
    expect_start(wire, "CONFIG SET raft-disk-reserve 0", "+OK");
    wait_field(cluster, 0, "disk_low", "no");
    expect_start(wire, "SET d 4", "+OK");
    wire_close(wire);
    end_disks(cluster);
}

/* ---- a log that cannot be written ------------------------------------------------------------------------------------------- */

static void a_node_that_cannot_write_its_log_ends_and_the_others_go_on(void **state) {
    int status;
    (void)state;
    struct cluster *cluster = cluster_prepare(3, no_reserve, NULL);
    for (size_t at = 0; at < 3; at++)
        mount_disk(cluster, at);
    cluster_spawn_all(cluster);
    cluster_wait_leader(cluster);
    struct load *load = load_start(cluster, "disk", 4, 500);
    for (size_t round = 0; round < 2; round++) {
        size_t leader = cluster_wait_leader(cluster), victim = round == 0 ? leader : (leader + 1) % 3;
        leave_free(cluster, victim, 0);
        if (!cluster_wait_end(cluster, victim, harness_scaled_ms(SEEN_MS), &status))
            harness_fail("node %zu does not end with a full disk", victim + 1);
        assert_int_equal(status, 1);
        assert_true(cluster_said(cluster, victim, "the log cannot be written"));
        assert_true(cluster_said(cluster, victim, "Mend the disk and start it again"));
        uint64_t since_us = harness_now_us();
        if (load_wait_ack(load, since_us, harness_scaled_ms(SEEN_MS)) == 0)
            harness_fail("the others do not go on");
        remove_ballast(cluster, victim);
        cluster_spawn(cluster, victim);
        cluster_wait_equal(cluster);
    }
    load_stop(load);
    for (size_t at = 0; at < 3; at++) {
        cluster_make_leader(cluster, at);
        load_must_hold(load, "after full disks");
    }
    load_free(load);
    end_disks(cluster);
}

/* ---- a checkpoint, a backup ---------------------------------------------------------------------------------------------- */

/* The log has room in its file; what a checkpoint writes does not find any. */
static void a_checkpoint_that_finds_no_room_is_tried_again(void **state) {
    (void)state;
    struct cluster *cluster = cluster_prepare(1, no_reserve, NULL);
    mount_disk(cluster, 0);
    cluster_spawn(cluster, 0);
    cluster_wait_leader(cluster);
    struct wire *wire = wire_open(cluster->nodes[0].port, harness_scaled_ms(WIRE_MS));
    char words[64];
    for (int i = 0; i < 4; i++) { /* small in the log, large in the state */
        snprintf(words, sizeof words, "SETRANGE key:%d 1500000 x", i);
        expect_start(wire, words, ":1500001");
    }
    leave_free(cluster, 0, 1 * MB);
    expect_start(wire, "RAFT.SNAPSHOT", "+OK");
    uint64_t until = harness_now_ms() + harness_scaled_ms(SEEN_MS);
    while (!cluster_info(cluster, 0, &info) || info_number(&info, "checkpoint_failures") == 0)
        if (harness_now_ms() > until)
            harness_fail("the checkpoint does not fail");
    assert_int_equal(info_number(&info, "checkpoint_count"), 0);
    assert_true(info_is(&info, "health", "degraded"));
    assert_true(cluster_said(cluster, 0, "Nothing is lost"));
    expect_start(wire, "SET small 1", "+OK");
    remove_ballast(cluster, 0);
    until = harness_now_ms() + harness_scaled_ms(SEEN_MS);
    expect_start(wire, "RAFT.SNAPSHOT", "+OK");
    while (!cluster_info(cluster, 0, &info) || info_number(&info, "checkpoint_count") == 0)
        if (harness_now_ms() > until)
            harness_fail("the checkpoint is not tried again");
    assert_int_equal(info_number(&info, "checkpoint_failures"), 0);
    cluster_kill(cluster, 0);
    cluster_spawn(cluster, 0);
    cluster_wait_leader(cluster);
    wire_close(wire);
    wire = wire_open(cluster->nodes[0].port, harness_scaled_ms(WIRE_MS));
    for (int i = 0; i < 4; i++) {
        snprintf(words, sizeof words, "STRLEN key:%d", i);
        expect_start(wire, words, ":1500001");
    }
    expect_start(wire, "GET small", "$1 1");
    wire_close(wire);
    end_disks(cluster);
}

static void a_backup_that_finds_no_room_leaves_nothing_behind(void **state) {
    char file[CLUSTER_PATH_MAX + 16];
    (void)state;
    struct cluster *cluster = cluster_prepare(2, NULL, NULL); /* the second one's disk is for backups */
    mount_disk(cluster, 1);
    const char *const options[] = {"--backup-dir", cluster->nodes[1].dir, NULL};
    cluster->options = options;
    cluster->count = 1;
    cluster_spawn(cluster, 0);
    cluster_wait_leader(cluster);
    struct wire *wire = wire_open(cluster->nodes[0].port, harness_scaled_ms(WIRE_MS));
    expect_start(wire, "SETRANGE large 8000000 x", ":8000001");
    cluster->count = 2;
    leave_free(cluster, 1, 3 * MB);
    expect_start(wire, "RAFT.BACKUP name", "-ERR there is no backup: ");
    assert_true(free_bytes(cluster, 1) > 2 * MB); /* of what was begun nothing is left */
    snprintf(file, sizeof file, "%s/name", cluster->nodes[1].dir);
    assert_true(access(file, F_OK) != 0);
    expect_start(wire, "SET small 1", "+OK");
    remove_ballast(cluster, 1);
    expect_start(wire, "RAFT.BACKUP name", "*8 $4 name");
    wire_close(wire);
    end_disks(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(below_the_reserve_growing_writes_are_refused_until_there_is_room, teardown),
        cmocka_unit_test_teardown(a_node_that_cannot_write_its_log_ends_and_the_others_go_on, teardown),
        cmocka_unit_test_teardown(a_checkpoint_that_finds_no_room_is_tried_again, teardown),
        cmocka_unit_test_teardown(a_backup_that_finds_no_room_leaves_nothing_behind, teardown),
    };
    return cmocka_run_group_tests_name("disk", tests, NULL, NULL);
}
