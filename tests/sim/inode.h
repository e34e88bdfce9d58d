/* SPDX-License-Identifier: MIT */
/* A file of a simulated disk: what is seen of it, and what a crash leaves. See inode.c. */
#ifndef SIM_INODE_H
#define SIM_INODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "locks.h"

struct inode;

/* Empty; nobody refers to it yet. It ends with its last reference: open files, and names. */
struct inode *inode_new(void);
struct inode *inode_ref(struct inode *inode);
void inode_unref(struct inode *inode);

/* Of the connections to it. */
struct locks *inode_locks(struct inode *inode);
int64_t inode_size(const struct inode *inode);
/* So many bytes were there; zeros stand for the rest. */
size_t inode_read(const struct inode *inode, int64_t at, void *bytes, size_t length);

/* To the system's cache. A small one may reach the platter some day though nobody syncs it. */
void inode_write(struct inode *inode, int64_t at, const void *bytes, size_t length, bool small);
void inode_cut(struct inode *inode, int64_t size);
/* What waits is on the platter; not `reach`: it never comes there, and the system calls it clean. */
void inode_settle(struct inode *inode, bool reach);

/* Past the cache, over bytes that are there: what waits of them is written out, and no longer waits. */
void inode_write_through(struct inode *inode, int64_t at, const void *bytes, size_t length);
/* The same, but it does not come to its end: of the sectors any have arrived. */
void inode_tear_through(struct inode *inode, int64_t at, const void *bytes, size_t length);

/* The power has gone: what is on the platter is all there is. */
void inode_crash(struct inode *inode, const char *path);

#endif
