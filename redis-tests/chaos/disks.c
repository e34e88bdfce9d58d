/* SPDX-License-Identifier: MIT */
#include "disks.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

enum { FILE_PATH_MAX = CLUSTER_PATH_MAX + 300 };

static struct disk {
    char path[CLUSTER_PATH_MAX]; /* of its faults */
    struct disk_faults *faults;
    bool mounted;
} disks[CLUSTER_NODES_MAX];

static void make_faults(struct cluster *cluster, size_t at) {
    static const struct disk_faults none;
    struct disk *disk = &disks[at];
    snprintf(disk->path, sizeof disk->path, "%.200s/faults%zu", cluster->dir, at + 1);
    file_write(disk->path, &none, sizeof none);
    int fd = open(disk->path, O_RDWR | O_CLOEXEC);
    disk->faults = mmap(NULL, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || disk->faults == MAP_FAILED)
        harness_fail("cannot map %s: %s", disk->path, strerror(errno));
    close(fd);
}

bool disks_open(struct cluster *cluster, char why[DISKS_WHY_MAX]) {
    char options[32];
    bool all = true;
    snprintf(options, sizeof options, "size=%dm", DISKS_MB);
    for (size_t at = 0; at < cluster->count; at++) {
        make_faults(cluster, at);
        disks[at].mounted = mount("tmpfs", cluster->nodes[at].dir, "tmpfs", 0, options) == 0;
        if (!disks[at].mounted)
            snprintf(why, DISKS_WHY_MAX, "%s", strerror(errno));
        all = all && disks[at].mounted;
    }
    return all;
}

void disks_close(struct cluster *cluster) {
    for (size_t at = 0; at < cluster->count; at++) {
        if (disks[at].mounted)
            umount2(cluster->nodes[at].dir, MNT_DETACH);
        if (disks[at].faults)
            munmap(disks[at].faults, sizeof *disks[at].faults);
        disks[at] = (struct disk){.mounted = false};
    }
}

const char *disks_path(size_t at) {
    return disks[at].path;
}

struct disk_faults *disks_faults(size_t at) {
    return disks[at].faults;
}

static void ballast_path(const struct cluster *cluster, size_t at, char path[FILE_PATH_MAX]) {
    snprintf(path, FILE_PATH_MAX, "%s/ballast", cluster->nodes[at].dir);
}

void disks_mend(const struct cluster *cluster, size_t at) {
    struct disk_faults *faults = disks[at].faults;
    char path[FILE_PATH_MAX];
    atomic_store(&faults->what, 0);
    atomic_store(&faults->sync_us, 0);
    ballast_path(cluster, at, path);
    unlink(path);
}

void disks_fill(const struct cluster *cluster, size_t at) {
    static const char zeros[65536];
    char path[FILE_PATH_MAX];
    size_t piece = sizeof zeros;
    ballast_path(cluster, at, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        harness_fail("cannot make %s: %s", path, strerror(errno));
    while (piece > 0)
        if (write(fd, zeros, piece) != (ssize_t)piece)
            piece /= 2;
    close(fd);
}

void disks_wipe(const struct cluster *cluster, size_t at) {
    const char *dir = cluster->nodes[at].dir;
    char path[FILE_PATH_MAX];
    DIR *stream = opendir(dir);
    if (!stream)
        harness_fail("cannot read %s: %s", dir, strerror(errno));
    for (struct dirent *entry; (entry = readdir(stream)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && unlink(path) != 0)
            harness_fail("cannot delete %s: %s", path, strerror(errno));
    }
    closedir(stream);
}

void disks_keep(const struct cluster *cluster) {
    char kept[CLUSTER_PATH_MAX];
    for (size_t at = 0; at < cluster->count; at++) {
        disks_mend(cluster, at);
        snprintf(kept, sizeof kept, "%.200s/kept%zu", cluster->dir, at + 1);
        if (disks[at].mounted)
            directory_copy(cluster->nodes[at].dir, kept);
    }
}
