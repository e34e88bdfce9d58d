/* SPDX-License-Identifier: MIT */
/* Rows of the containers SCRIPT and FUNCTION: rows.c says what the columns mean. */
#include "rows_words.h"
#include "scripts.h"

TIPS(tip_shards_one, "request_policy:all_shards", "response_policy:one_succeeded");
TIPS(tip_shards_and, "request_policy:all_shards", "response_policy:agg_logical_and");

/* clang-format off */

const struct command script_rows[] = {
    {"script|debug", 3, NOSCR, NO_KEYS, NULL, session_script_debug, NULL,
     "Refused, but for NO.", "3.2.0", "scripting", "O(1)", SCRIPTS, NULL, NULL},
    {"script|exists", -3, NOSCR | LOOKS, NO_KEYS, cmd_script_exists, NULL, NULL,
     "Tells which scripts are known.", "2.6.0", "scripting", "O(N) in scripts", SCRIPTS, tip_shards_and, NULL},
    {"script|flush", -2, NOSCR | LOGGED, NO_KEYS, cmd_script_flush, NULL, NULL,
     "Forgets all scripts.", "2.6.0", "scripting", "O(N) in scripts, in slices afterwards", SCRIPTS, tip_nodes_ok, NULL},
    {"script|help", 2, LOAD | STALE, NO_KEYS, NULL, session_help, NULL,
     "Lists the subcommands.", "5.0.0", "scripting", "O(1)", SCRIPTS, NULL, NULL},
    {"script|kill", 2, NOSCR | BUSY, NO_KEYS, NULL, session_script_kill, NULL,
     "Says that no script is in execution.", "2.6.0", "scripting", "O(1)", SCRIPTS, tip_shards_one, NULL},
    {"script|load", 3, NOSCR | STALE | LOGGED, NO_KEYS, cmd_script_load, NULL, NULL,
     "Makes a script known.", "2.6.0", "scripting", "O(N) in bytes of the script", SCRIPTS, tip_nodes_ok, NULL},
    {0},
};

const struct command function_rows[] = {
    {"function|flush", -2, NOSCR, NO_KEYS, NULL, session_function_flush, NULL,
     "Does nothing: there are no functions.", "7.0.0", "scripting", "O(1)", SCRIPTS, tip_all_ok, NULL},
    {"function|help", 2, LOAD | STALE, NO_KEYS, NULL, session_help, NULL,
     "Lists the subcommands.", "7.0.0", "scripting", "O(1)", SCRIPTS, NULL, NULL},
    {"function|kill", 2, NOSCR | BUSY, NO_KEYS, NULL, session_script_kill, NULL,
     "Says that no function is in execution.", "7.0.0", "scripting", "O(1)", SCRIPTS, tip_shards_one, NULL},
    {"function|list", -2, NOSCR, NO_KEYS, NULL, session_function_list, NULL,
     "Lists no libraries: there are none.", "7.0.0", "scripting", "O(1)", SCRIPTS, tip_order, NULL},
    {"function|stats", 2, NOSCR | BUSY, NO_KEYS, NULL, session_function_stats, NULL,
     "Counts no functions: there are none.", "7.0.0", "scripting", "O(1)", SCRIPTS, tip_report, NULL},
    {0},
};
