# What run.sh and kill-leader.sh share; sourced by them. Ports and files of the three nodes, and questions to them.
# PORT= is the first node's port; the others follow. Another port is another cluster, with data of its own.

first_port=${PORT:-7101}
case $first_port in
'' | *[!0-9]*) echo "PORT=$first_port is no port" >&2 && exit 2 ;;
esac
if [ "$first_port" -lt 1 ] || [ "$first_port" -gt 65533 ]; then
    echo "PORT=$first_port: three ports from there on do not fit below 65536" >&2
    exit 2
fi
if [ "$first_port" -eq 7101 ]; then data=data; else data=data/$first_port; fi

port_of() { echo $((first_port + $1 - 1)); }

# RAFT.INFO of node $1 as lines, or nothing.
info_of() { timeout 2 redis-cli -h 127.0.0.1 -p "$(port_of "$1")" RAFT.INFO 2>/dev/null | tr -d '\r'; }

# Field $1 of the lines on standard input.
field() { sed -n "s/^$1://p"; }

# "<node> <term>" of the node that leads, or nothing. A deposed leader that does not know it yet has the lower term.
find_leader() {
    for node in 1 2 3; do
        lines=$(info_of $node)
        if [ "$(echo "$lines" | field role)" = leader ]; then
            echo "$node $(echo "$lines" | field current_term)"
        fi
    done | sort -k2 -n | tail -n 1
}

now_ms() { date +%s%3N; }
