/* SPDX-License-Identifier: MIT */
/* What this program calls itself, and the Redis whose commands it speaks. */
#ifndef VERSION_H
#define VERSION_H

#define REDRAFT_VERSION       "0.1.0"
#define REDRAFT_REDIS_VERSION "7.0.15"

#endif
