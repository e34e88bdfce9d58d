/* SPDX-License-Identifier: MIT */
/* The real redis-server 7.0, to compare with. */
#ifndef REDIS_H
#define REDIS_H

/* Starts one that keeps nothing on disk, on a free port, which is returned; 0 when there is none of that version. It ends with the program. */
unsigned redis_start(void);
void redis_end(void);

#endif
