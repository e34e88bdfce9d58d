#!/bin/bash
# Runs test programs one after the other, shows a line for each and the whole output of those that fail.
#
#     tests/run.sh program...
#
# What failed stands once more at the end, in a few lines, since of a long output often only the end is kept.
# The last line is the sum over all of them: `N passed, N failed`. A test that was announced and did not pass (it failed, or
# its program crashed, hung or was killed before it came to it) has failed; so has a program that ends badly or announces
# nothing. Skipped tests are named, and are in neither number.
set -u

limit_s=${TEST_LIMIT_S:-300}
[ -n "${SANITIZE:-}" ] && limit_s=$((limit_s * 3))
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1}

log=$(mktemp)
recap=$(mktemp)
trap 'rm -f "$log" "$recap"' EXIT
all_passed=0
all_failed=0

# Of cmocka's report: announced, passed, skipped.
count='
/^\[==========\] Running [0-9]+ test\(s\)/       { announced += $3 }
/^\[       OK \] /                               { passed++ }
/^\[  SKIPPED \] [0-9]+ test\(s\), listed below/ { skipped += $4 }
END { print announced + 0, passed + 0, skipped + 0 }'

# The lines that say what failed, where, and with which seed: cmocka's (an error's text has no mark, but follows the mark of its test), a sanitizer's.
blame='^ERROR|REDRAFT_SEED=|^  redis  |^  redraft  |^\[  ERROR   \]|^\[  FAILED  \] [^ 0-9]|error: |Sanitizer|runtime error'

for program in "$@"; do
    name=${program##*/}
    start=$EPOCHREALTIME
    timeout -k 10 "$limit_s" "$program" >"$log" 2>&1 </dev/null
    code=$?
    tenths=$((((${EPOCHREALTIME/[.,]/} - ${start/[.,]/}) + 50000) / 100000))

    read -r announced passed skipped < <(awk "$count" "$log")
    failed=$((announced - passed - skipped))
    [ "$failed" -lt 0 ] && failed=0
    if [ "$failed" -eq 0 ] && { [ "$code" -ne 0 ] || [ "$announced" -eq 0 ]; }; then
        failed=1
    fi
    all_passed=$((all_passed + passed))
    all_failed=$((all_failed + failed))

    printf '%-32s %4d passed  %4d failed%s  %6s s\n' "$name" "$passed" "$failed" \
        "$([ "$skipped" -gt 0 ] && echo "  $skipped skipped")" "$((tenths / 10)).$((tenths % 10))"
    if [ "$skipped" -gt 0 ]; then
        sed -n 's/^\[  SKIPPED \] \([^ ]*\)$/    skipped: \1/p' "$log" | sort -u
    fi
    if [ "$failed" -gt 0 ]; then
        case $code in
        0) end="    exit code 0" ;;
        124 | 137) end="    ended by the runner after $limit_s s" ;;
        *) [ "$code" -gt 128 ] && end="    killed by signal $((code - 128))" || end="    exit code $code" ;;
        esac
        sed 's/^/    | /' "$log"
        echo "$end"
        {
            echo "$name, after $((tenths / 10)) s:"
            grep -E "$blame" "$log" | head -n 8 | cut -c 1-400 | sed 's/^/    | /'
            echo "$end"
        } >>"$recap"
    fi
done

[ "$all_failed" -gt 0 ] && echo && echo "failed:" && cat "$recap"
echo "$all_passed passed, $all_failed failed"
[ "$all_failed" -eq 0 ]
