/* SPDX-License-Identifier: MIT */
/*
 * Who listens on a port? The kernel tells in two steps, as far as it is permitted to look:
 *
 *     /proc/net/tcp, tcp6        local address and port, state 0A (listening)  ->  inode of the socket
 *     /proc/PID/fd/N             a link to "socket:[inode]"                    ->  the process
 */
#include "internal.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STATE_LISTENING = 0x0A };

/* The inode of the socket that listens on the port according to a table of the kernel; 0 when there is
 * none. */
static uint64_t inode_in(const char *table, unsigned port) {
    FILE *file = fopen(table, "re");
    if (!file)
        return 0;
    char line[512];
    uint64_t found = 0;
    while (found == 0 && fgets(line, sizeof line, file)) {
        unsigned local_port, state;
        uint64_t inode;
        if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %" SCNu64,
                   &local_port, &state, &inode) == 3 &&
            local_port == port && state == STATE_LISTENING)
            found = inode;
    }
    fclose(file);
    return found;
}

static bool process_has(const char *pid, const char *socket) {
    char path[600], target[64];
    snprintf(path, sizeof path, "/proc/%s/fd", pid);
    DIR *dir = opendir(path);
    if (!dir)
        return false;
    bool found = false;
    for (struct dirent *entry; !found && (entry = readdir(dir)) != NULL;) {
        snprintf(path, sizeof path, "/proc/%s/fd/%s", pid, entry->d_name);
        ssize_t length = readlink(path, target, sizeof target - 1);
        target[length > 0 ? length : 0] = '\0';
        found = strcmp(target, socket) == 0;
    }
    closedir(dir);
    return found;
}

static void describe(const char *pid, char text[NET_WHY_MAX]) {
    char path[64], name[64] = "";
    snprintf(path, sizeof path, "/proc/%.20s/comm", pid);
    FILE *file = fopen(path, "re");
    if (file && fgets(name, sizeof name, file))
        name[strcspn(name, "\n")] = '\0';
    if (file)
        fclose(file);
    snprintf(text, NET_WHY_MAX, " by %.20s%s%s", pid, *name ? " " : "", name);
}

void port_holder(unsigned port, char text[NET_WHY_MAX]) {
    text[0] = '\0';
    uint64_t inode = inode_in("/proc/net/tcp", port);
    if (inode == 0)
        inode = inode_in("/proc/net/tcp6", port);
    DIR *dir = inode != 0 ? opendir("/proc") : NULL;
    if (!dir)
        return;
    char socket[64];
    snprintf(socket, sizeof socket, "socket:[%" PRIu64 "]", inode);
    for (struct dirent *entry; !*text && (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && process_has(entry->d_name, socket))
            describe(entry->d_name, text);
    closedir(dir);
}
