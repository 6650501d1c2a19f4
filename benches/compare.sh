#!/usr/bin/env bash
# Times obit beside gdb, lldb and eu-stack on the same cores in one run; tools that are not installed are skipped.
#
#   benches/compare.sh                            builds two workloads, makes their cores, measures
#   benches/compare.sh EXE CORE [RUNS [TYPE]]     measures an existing core, and a type that is looked up by its name
#
# Wall seconds and peak resident memory (MiB), the median of RUNS (3) each, after one run that is not counted.
set -euo pipefail
cd "$(dirname "$0")/.."
HERE=$PWD
RUNS=3
LLDB=$(command -v lldb || command -v lldb-19 || echo lldb)

cargo build --release --quiet
OBIT=$HERE/target/release/obit
SCRATCH=$(mktemp -d)
trap 'rm -rf "$SCRATCH"' EXIT

# measure LABEL COMMAND...: prints the label, the median wall time and the peak memory.
measure() {
    local label=$1
    shift
    if ! command -v "$1" >/dev/null; then
        printf '  %-34s skipped: %s is not installed\n' "$label" "$1"
        return
    fi
    python3 - "$label" "$RUNS" "$@" <<'P'
import os, statistics, subprocess, sys, time
label, runs, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
times, peak = [], 0
for run in range(runs + 1):
    start = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    _, _, usage = os.wait4(child.pid, 0)
    if run:
        times.append(time.monotonic() - start)
        peak = max(peak, usage.ru_maxrss)
print("  %-34s %9.4f s  %7.1f MiB" % (label, statistics.median(times), peak / 1024))
P
}

compare() {
    local exe=$1 core=$2 type=${3:-}
    echo "$core ($(du -h "$core" | cut -f1) on disk)"
    echo " crashed thread"
    measure obit "$OBIT" bt "$core" --exe "$exe" --thread crashed
    measure gdb gdb -nx -batch -ex bt "$exe" "$core"
    measure lldb "$LLDB" -b -o bt "$exe" -c "$core"
    measure eu-stack eu-stack -e "$exe" --core="$core"
    echo " all threads, all locals"
    measure obit "$OBIT" bt "$core" --exe "$exe" --thread all --locals
    measure "obit --json" "$OBIT" bt "$core" --exe "$exe" --thread all --locals --json
    if [ "${SLOW:-1}" = 1 ]; then
        RUNS=1 measure gdb gdb -nx -batch -ex 'thread apply all bt full' "$exe" "$core"
    fi
    [ -n "$type" ] || return 0
    echo " type $type"
    measure obit env OBIT_CACHE_DIR= "$OBIT" ptype "$core" "$type" --exe "$exe"
    measure gdb gdb -nx -batch -ex "ptype $type" "$exe" "$core"
    measure lldb "$LLDB" -b -o "type lookup $type" "$exe" -c "$core"
}

if [ $# -ge 2 ]; then
    RUNS=${3:-3}
    compare "$1" "$2" "${4:-}"
    exit
fi

command -v gcc >/dev/null && command -v g++ >/dev/null || { echo "skipped: needs gcc and g++, or EXE CORE"; exit 0; }
ulimit -c unlimited
if [ "$(cat /proc/sys/kernel/core_pattern)" != core ]; then
    echo "skipped: core_pattern is not 'core'; give EXE CORE"
    exit 0
fi
export DEBUGINFOD_URLS=
mkdir "$SCRATCH/small" "$SCRATCH/threads"
gcc -O0 -g -o "$SCRATCH/small/program" benches/workloads/small.c
(cd "$SCRATCH/small" && ./program 2>/dev/null) || true
compare "$SCRATCH/small/program" "$SCRATCH/small/core" "struct account"
python3 benches/workloads/threads.py > "$SCRATCH/threads.cpp"
g++ -std=c++17 -O2 -g -pthread -o "$SCRATCH/threads/program" "$SCRATCH/threads.cpp"
(cd "$SCRATCH/threads" && ./program "${THREADS:-300}" 2>/dev/null) || true
compare "$SCRATCH/threads/program" "$SCRATCH/threads/core" Job
