/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "slice.h"

#include <linux/sched.h>
#include <linux/sched/types.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SHORT_NS = 100 * 1000 }; /* the shortest that Linux grants */

static _Thread_local bool is_short;

void slice_short(bool wanted) {
    struct sched_attr of_thread = {.size = sizeof(of_thread)};
    if (wanted == is_short)
        return;
    is_short = wanted;
    if (syscall(SYS_sched_getattr, 0, &of_thread, sizeof(of_thread), 0) != 0 ||
        of_thread.sched_policy != SCHED_NORMAL)
        return;
    if (of_thread.sched_nice >= 0) /* else those would lose that, too */
        of_thread.sched_flags |= SCHED_FLAG_RESET_ON_FORK;
    of_thread.sched_runtime = wanted ? SHORT_NS : 0;
    (void)syscall(SYS_sched_setattr, 0, &of_thread, 0);
}
