#!/bin/bash
# Throughput and latency of three processes on loopback, beside SOFAJRaft, in turn in one run: the table of ratios.
#
#   tests/bench/compare.sh [SYNC ...]      true (durable), memory; default: both
#
# $ROUNDS (3), $WARMUP of the JVMs (5 s), $SECONDS_OF_LOAD (3), $OPEN ("1 64 1024"), $PAYLOADS ("16 1024"), $VERSION (1.4.1); $OTHER names another
# jraft-bench to compare with instead of SOFAJRaft. SOFAJRaft has no log in memory: beside `memory` it runs with its log
# unsynced, and says so. Needs a JDK, Maven and $SOFA as tests/interop/run.sh does.
set -u
cd "$(dirname "$0")/../.."
sofa=${SOFA:-$PWD/../shared/anchors/sofa-jraft}
work=${WORK:-${TMPDIR:-/tmp}/jraft-interop}
version=${VERSION:-1.4.1} warmup=${WARMUP:-5} rounds=${ROUNDS:-3} seconds=${SECONDS_OF_LOAD:-3}
open=(${OPEN:-1 64 1024}) payloads=(${PAYLOADS:-16 1024})
ours=${OURS:-${CARGO_TARGET_DIR:-$PWD/target}/release/jraft-bench}
ports=(19281 19282 19283)
peers=$(printf ',127.0.0.1:%s' "${ports[@]}"); peers=${peers:1}
modes=("$@"); [ $# -gt 0 ] || modes=(true memory)

[ -n "${OURS:-}" ] || cargo build -q --release -p jraft-example --bins || exit 1
out=$work/$version
if [ -z "${OTHER:-}" ] && [ ! -d "$out/target/lib" ]; then
  mkdir -p "$out" && cp -r "$sofa/pom.xml" "$sofa/src" "$out/" && chmod -R u+w "$out"
  (cd "$out" && mvn -q -B package -Djraft.version="$version") || exit 1
fi

once() { # KIND SYNC OPEN PAYLOAD: the leader's JSON line of one run
  local kind=$1 sync=$2 inflight=$3 payload=$4 data port pids=() program=$ours
  data=$(mktemp -d "$work/bench.XXXX")
  [ "$kind" = other ] && program=$OTHER
  for port in "${ports[@]}"; do
    if [ "$kind" = sofa ]; then
      java -Xmx2g -cp "$out/target/classes:$out/target/lib/*" bench.BenchNode "127.0.0.1:$port" "$peers" "$data/$port" \
        "$([ "$sync" = true ] && echo true || echo false)" "$warmup" "$seconds" "$inflight" "$payload" >"$data/$port.out" 2>/dev/null &
    else
      "$program" --self "127.0.0.1:$port" --peers "$peers" --data "$data/$port" --sync "$sync" --warmup 2 \
        --seconds "$seconds" --inflight "$inflight" --payload "$payload" >"$data/$port.out" 2>/dev/null &
    fi
    pids+=($!)
  done
  for _ in $(seq 1 $((seconds * 5 + 150))); do sleep 0.2; grep -q ops_per_s "$data"/*.out && break; done
  sleep 0.3; kill "${pids[@]}" 2>/dev/null; wait "${pids[@]}" 2>/dev/null
  grep -h ops_per_s "$data"/*.out || echo '{"ops_per_s":0,"p50_us":0,"p99_us":0}'
  rm -rf "$data"
}
field() { grep -o "\"$1\":[0-9.]*" | head -1 | cut -d: -f2; }
median() { sort -n | awk '{v[NR]=$1} END {print v[int((NR+1)/2)]}'; }

peer=sofa; [ -n "${OTHER:-}" ] && peer=other
echo "ours beside $([ $peer = sofa ] && echo "SOFAJRaft $version" || echo "$OTHER"), $rounds rounds of $seconds s in turn, medians; $(nproc) CPUs, $(date -I)"
echo "| mode | open | payload | ops/s | p50 us | p99 us | peer ops/s | peer p50 us | ratio (min-max) |"
echo "| ---- | ---: | ------: | ----: | -----: | -----: | ---------: | ----------: | --------------- |"
for sync in "${modes[@]}"; do for payload in "${payloads[@]}"; do for inflight in "${open[@]}"; do
  mine=() theirs=() ratios=()
  for round in $(seq 1 "$rounds"); do
    if [ $((round % 2)) = 1 ]; then
      a=$(once ours "$sync" "$inflight" "$payload"); b=$(once $peer "$sync" "$inflight" "$payload")
    else
      b=$(once $peer "$sync" "$inflight" "$payload"); a=$(once ours "$sync" "$inflight" "$payload")
    fi
    mine+=("$a") theirs+=("$b")
    ratios+=("$(awk -v a="$(field ops_per_s <<<"$a")" -v b="$(field ops_per_s <<<"$b")" 'BEGIN {printf "%.2f", (b > 0 ? a / b : 0)}')")
  done
  of() { local name=$1; shift; printf '%s\n' "$@" | while read -r line; do field "$name" <<<"$line"; done | median; }
  sorted=$(printf '%s\n' "${ratios[@]}" | sort -n)
  echo "| $sync | $inflight | $payload | $(of ops_per_s "${mine[@]}") | $(of p50_us "${mine[@]}") | $(of p99_us "${mine[@]}") | $(of ops_per_s "${theirs[@]}") | $(of p50_us "${theirs[@]}") | $(median <<<"$sorted") ($(head -1 <<<"$sorted")-$(tail -1 <<<"$sorted")) |"
done; done; done
