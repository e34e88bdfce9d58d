/* SPDX-License-Identifier: MIT */
/* What redraft does beside serving: a node's directory is made of a backup, or taken out of a cluster that is lost. */
#ifndef TOOLS_H
#define TOOLS_H

#include <stdbool.h>

struct conf;

/* redraft --restore <file> conf: the exit status; what was done is on standard output, why not on standard error. */
int tools_restore(const struct conf *conf, const char *backup);
/* redraft --recover [--yes] conf: without `sure` it only says what would happen, and its exit status is 1. */
int tools_recover(const struct conf *conf, bool sure);

#endif
