# SPDX-License-Identifier: MIT
# How a story in bash tells what it does: see run.py. To be sourced; $way and $addresses are what it was started with.
way=$1
shift
addresses=("$@")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"; kill $(jobs -p) 2>/dev/null' EXIT

# `step name wanted got`: got must match the pattern.
step() {
    # shellcheck disable=SC2053
    if [[ $3 == $2 ]]; then
        echo "ok $1"
    else
        echo "not $1: expected $2, got ${3//$'\n'/ }"
    fi
}

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# redis-cli at one of the addresses, with the other arguments.
at() {
    local address=$1
    shift
    timeout "${limit:-10}" stdbuf -oL redis-cli -h "${address%:*}" -p "${address#*:}" "$@"
}

# The first address that answers: redis-cli itself knows one only.
alive() {
    local address
    for address in "${addresses[@]}"; do
        [ "$(at "$address" PING 2>/dev/null)" = PONG ] && echo "$address" && return
    done
}

# The address of the one that leads.
leader() {
    local address
    for address in "${addresses[@]}"; do
        at "$address" ROLE 2>/dev/null | grep -q '^master$' && echo "$address" && return
    done
}
