/* SPDX-License-Identifier: MIT */
/* EVAL and what belongs to it, for the command table and for the files script*.c. */
#ifndef SCRIPTS_H
#define SCRIPTS_H

#include "command.h"

void cmd_eval(struct call *call);
void cmd_evalsha(struct call *call);
void cmd_eval_ro(struct call *call);
void cmd_evalsha_ro(struct call *call);
void cmd_script_load(struct call *call);
void cmd_script_exists(struct call *call);
void cmd_script_flush(struct call *call);
void session_script_kill(struct session_call *call);
void session_script_debug(struct session_call *call);
void session_function_list(struct session_call *call);
void session_function_stats(struct session_call *call);
void session_function_flush(struct session_call *call);
void session_fcall(struct session_call *call);
void cmd_fcall_ro(struct call *call);

extern const struct command script_rows[], function_rows[];

/* The name of a script: SHA-1, in hexadecimal digits. */
void script_sha(const void *bytes, size_t length, char sha[40 + 1]);

#endif
