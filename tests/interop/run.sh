#!/bin/bash
# The Java library as judge: mixed groups of SOFAJRaft and of this library, under load, every process killed and
# restarted, at the end one digest on all.
#
#   tests/interop/run.sh [VERSION ...]     versions of SOFAJRaft; default: 1.4.1 1.3.14
#
# Needs a JDK (11 or newer), Maven, and the benchmark process of SOFAJRaft in $SOFA (default: ../shared/anchors/sofa-jraft
# beside this repository). Not part of CI. Takes about three minutes a version.
set -u
cd "$(dirname "$0")/../.."
sofa=${SOFA:-$PWD/../shared/anchors/sofa-jraft}
work=${WORK:-${TMPDIR:-/tmp}/jraft-interop}
seconds=${SECONDS_OF_LOAD:-6} inflight=${INFLIGHT:-64} payload=${PAYLOAD:-16}
target=${CARGO_TARGET_DIR:-$PWD/target}/release
ports=(19081 19082 19083)
peers=$(printf ',127.0.0.1:%s' "${ports[@]}"); peers=${peers:1}
declare -A pid

say() { printf '%s  %s\n' "$(date +%T)" "$*"; }
fail() { say "FAILED: $*"; stop_all KILL; exit 1; }
stop_all() { for i in "${!pid[@]}"; do kill -"$1" "${pid[$i]}" 2>/dev/null; done; wait 2>/dev/null; }
trap 'stop_all KILL; exit 130' INT TERM

build() { # the two kinds of process
  cargo build -q --release -p jraft-example -p jraft-tests --bins || exit 1
  for version in "$@"; do
    local out=$work/$version
    [ -d "$out/target/lib" ] && continue
    say "building SOFAJRaft $version"
    mkdir -p "$out" && cp -r "$sofa/pom.xml" "$sofa/src" "$out/" && chmod -R u+w "$out"
    (cd "$out" && mvn -q -B package -Djraft.version="$version") || exit 1
  done
}

start() { # INDEX: one process of the group
  local i=$1 port=${ports[$1]} me=127.0.0.1:${ports[$1]}
  if [ "${kinds[$i]}" = java ]; then
    # 1.3.14 reads fields of the JDK that newer JDKs close off.
    java -Xmx1g --add-opens java.base/java.lang=ALL-UNNAMED --add-opens java.base/java.util=ALL-UNNAMED \
      -Dgroup=interop -cp "$work/$version/target/classes:$work/$version/target/lib/*" bench.BenchNode \
      "$me" "$peers" "$data/$port" true 1 "$seconds" "$inflight" "$payload" >>"$data/$port.out" 2>>"$data/$port.err" &
  else
    "$target/jraft-bench" --group interop --self "$me" --peers "$peers" --data "$data/$port" --sync true --warmup 1 \
      --seconds "$seconds" --inflight "$inflight" --payload "$payload" >>"$data/$port.out" 2>>"$data/$port.err" &
  fi
  pid[$i]=$!
}

leader() { # prints the index of the process that leads, by the word of a majority
  local who i
  for _ in $(seq 1 300); do
    who=$("$target/who-leads" interop "$peers" 2>/dev/null) && for i in 0 1 2; do
      [ "$who" = "127.0.0.1:${ports[$i]}" ] && { echo "$i"; return; }
    done
    sleep 0.1
  done
  return 1
}

group() { # KIND KIND KIND: one group, from start to digest
  kinds=("$@") data=$(mktemp -d "$work/data.XXXX") pid=()
  local killed=0 led="" rounds=0 i wanted
  say "SOFAJRaft $version: group of ${kinds[*]}"
  for i in 0 1 2; do start "$i"; done
  # Kill whoever leads, in the middle of its load, until both kinds have led and everybody was killed once.
  while [ "$killed" != 7 ] || [[ $led != *java* ]] || [[ $led != *rust* ]]; do
    [ $((rounds += 1)) -le 14 ] || fail "after $rounds rounds only these have led: $led"
    i=$(leader) || fail "no leader within 30 s, logs in $data"
    say "  ${kinds[$i]} process $((i + 1)) leads"
    led+=" ${kinds[$i]}"
    sleep 3
    # Followers that never led are killed, too: under the load of somebody else.
    for wanted in 0 1 2; do
      if [ "$wanted" != "$i" ] && [ $((killed >> wanted & 1)) = 0 ] && [ "$rounds" -ge 3 ]; then
        say "  SIGKILL for ${kinds[$wanted]} process $((wanted + 1)), a follower"
        kill -KILL "${pid[$wanted]}"; wait "${pid[$wanted]}" 2>/dev/null
        killed=$((killed | 1 << wanted)); start "$wanted"; sleep 3; break
      fi
    done
    say "  SIGKILL for ${kinds[$i]} process $((i + 1)), the leader"
    kill -KILL "${pid[$i]}"; wait "${pid[$i]}" 2>/dev/null
    killed=$((killed | 1 << i))
    sleep 1; start "$i"
  done
  i=$(leader) || fail "no leader within 30 s at the end, logs in $data"
  say "  ${kinds[$i]} process $((i + 1)) leads at the end; waiting until it is quiet"
  sleep $((seconds + 8))
  stop_all TERM
  local digests
  digests=$(for port in "${ports[@]}"; do grep digest "$data/$port.out" | tail -1 | grep -o '"applied.*'; done)
  printf '%s\n' "$digests" | sed 's/^/            /'
  [ "$(printf '%s\n' "$digests" | wc -l)" = 3 ] && [ "$(printf '%s\n' "$digests" | sort -u | wc -l)" = 1 ] ||
    fail "the digests differ, logs in $data"
  grep -hE 'panic|contradicts' "$data"/*.err && fail "see $data"
  say "  equal on all; ops/s under load: $(grep -ho '"peer":"[a-z-]*","ops_per_s":[0-9]*' "$data"/*.out | tr -d '"' | sed 's/peer://; s/,ops_per_s:/ /' | paste -sd';')"
  rm -rf "$data"
}

versions=("$@"); [ $# -gt 0 ] || versions=(1.4.1 1.3.14)
mkdir -p "$work"
build "${versions[@]}"
for version in "${versions[@]}"; do
  group java java rust
  group rust rust java
done
say "all groups agree"
