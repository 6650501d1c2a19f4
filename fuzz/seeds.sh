#!/usr/bin/env bash
# Seeds for the fuzz targets, made from the fixtures; then, with a nightly toolchain and cargo-fuzz:
#
#   fuzz/seeds.sh
#   cargo +nightly fuzz run TARGET fuzz/corpus/TARGET -- -max_len=200000 -timeout=20 -rss_limit_mb=4000
#
# Needs zstd and binutils. Large files are left out or cut, as what matters is in their first pages.
set -euo pipefail
shopt -s nullglob

CORPUS=$(cd "$(dirname "$0")" && pwd)/corpus
HERE=$(cd "$(dirname "$0")/../fixtures" && pwd)
. "$HERE/pack.sh"
LARGEST=150000
TEMPORARY=$(mktemp -d)
trap 'rm -r "$TEMPORARY"' EXIT
mkdir -p "$CORPUS"/{core_reader,dwarf,unwinder,demangle,expression}

for directory in "$HERE"/*/; do
    name=$(basename "$directory")
    for packed in "$directory"*.zst "$directory"*.delta; do
        file=$(basename "${packed%.*}")
        if [ "$file" = core ]; then
            unpack "$name/core" 2>/dev/null | head -c 65536 >"$CORPUS/core_reader/$name" || true
            continue
        fi
        unpack "$name/$file" >"$TEMPORARY/$file"
        if [ "$(stat -c %s "$TEMPORARY/$file")" -le "$LARGEST" ]; then
            cp "$TEMPORARY/$file" "$CORPUS/dwarf/$name-$file"
        fi
        { nm --defined-only "$TEMPORARY/$file" 2>/dev/null || true; } | awk '$3 ~ /^_(Z|R)/ { print $3 }' >>"$TEMPORARY/names"
        # The target's input: 16 bytes of registers, then call frame information and a stack of one length.
        objcopy -O binary --only-section=.eh_frame "$TEMPORARY/$file" "$TEMPORARY/frames" 2>/dev/null || continue
        [ -s "$TEMPORARY/frames" ] || continue
        head -c 8000 "$TEMPORARY/frames" >"$TEMPORARY/cut"
        {
            printf '\x11\x40\x10\x20\x30\x40\x50\x60\x70\x08\x18\x28\x38\x48\x58\x68'
            cat "$TEMPORARY/cut"
            head -c "$(stat -c %s "$TEMPORARY/cut")" < <(while :; do printf '\x40\x11\0\0\0\0\0\0\x80\0\0\x70\0\0\0\0'; done)
        } >"$CORPUS/unwinder/$name-$file"
    done
done
sort -u "$TEMPORARY/names" | shuf -n 3000 --random-source=<(yes) | (cd "$CORPUS/demangle" && split -l 1 -a 4 -)
grep -ohE '"(print|p) [^"]+"' "$HERE"/../tests/*.rs | sed -E 's/^"(print|p) //; s/"$//' | sort -u >"$TEMPORARY/expressions"
(cd "$CORPUS/expression" && split -l 1 -a 4 "$TEMPORARY/expressions")
for target in "$CORPUS"/*/; do
    echo "$(basename "$target"): $(find "$target" -type f | wc -l) seeds"
done
