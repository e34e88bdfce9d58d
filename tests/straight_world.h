/* SPDX-License-Identifier: MIT */
/* What the tests of writes that go past the system's cache share. Its includer defines _GNU_SOURCE. */
#ifndef STRAIGHT_WORLD_H
#define STRAIGHT_WORLD_H

#include "store_world.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* Tried with a block, by the system itself: some file systems open the file and refuse the write. */
static inline bool disk_can(const struct world *world) {
    static _Alignas(4096) char block[4096];
    struct iovec piece = {block, sizeof(block)};
    char path[2 * WORLD_PATH_MAX];
    bool can;
    int fd;

    world_path(world, "direct", path);
    fd = open(path, O_WRONLY | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    can = syscall(SYS_pwritev2, fd, &piece, 1, 0L, 0L, RWF_DSYNC) == (long)sizeof(block);
    close(fd);
    unlink(path);
    return can;
}

#endif
