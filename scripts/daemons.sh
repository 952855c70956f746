# For scripts that try daemons: sourced, not run. Needs $tool and $scratch; the sourcing script ends with `finish_daemons` in its trap and `summary` as its last command.

export DOTNET_TieredPGO=0 # the tool is started often, and runs for moments
ok=0 failed=0
declare -A daemon_pid=() daemon_address=()

pass() { ok=$((ok + 1)); echo "ok    $1"; }
fail() { failed=$((failed + 1)); echo "FAILED $1"; [ ! -s "$scratch/out" ] || head -c 2000 "$scratch/out" | sed 's/^/      /'; }
check() { # NAME COMMAND…: one line that says whether the command succeeds
  local name=$1; shift
  if "$@" > "$scratch/out" 2>&1; then pass "$name"; else fail "$name"; fi
}
fails() { # CODE PATTERN COMMAND…: the command ends with the code and one line `error: …` that matches
  local code=$1 pattern=$2 status; shift 2
  "$@" > "$scratch/fails.out" 2> "$scratch/fails.err"; status=$?
  cat "$scratch/fails.err"
  [ "$status" = "$code" ] || { echo "exit code $status instead of $code"; return 1; }
  [ "$(grep -c '^error: ' "$scratch/fails.err")" = 1 ] && [ "$(wc -l < "$scratch/fails.err")" = 1 ] && grep -qE -- "$pattern" "$scratch/fails.err"
}
summary() {
  echo "$ok ok, $failed failed"
  [ "$failed" = 0 ]
}

start_daemon() { # NAME STORE [OPTION…]: sets daemon_pid[NAME] and daemon_address[NAME]; a daemon that was killed comes back on the port it had
  local name=$1 store=$2 port=; shift 2
  [ -z "${daemon_address[$name]:-}" ] || port=${daemon_address[$name]##*:}
  rm -f "$scratch/$name.port"
  "$tool" --store "$store" daemon --listen "127.0.0.1:${port:-0}" --listen "$scratch/$name.socket" --unix-listen-unlink --port-file "$scratch/$name.port" "$@" 2>> "$scratch/$name.log" &
  daemon_pid[$name]=$!
  for _ in $(seq 600); do
    [ -s "$scratch/$name.port" ] && { daemon_address[$name]=grpc+http://127.0.0.1:$(cat "$scratch/$name.port"); return 0; }
    kill -0 "${daemon_pid[$name]}" 2>/dev/null || break
    sleep 0.1
  done
  echo "the daemon $name does not start:"; tail -5 "$scratch/$name.log"; return 1
}
end_daemon() { # NAME [SIGNAL]: its exit code
  local pid=${daemon_pid[$1]}
  kill "-${2:-TERM}" "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null; local status=$?
  unset "daemon_pid[$1]"
  return $status
}
finish_daemons() {
  local name
  for name in "${!daemon_pid[@]}"; do end_daemon "$name" KILL; done
}

# What goes to the daemon NAME through a relay that counts; relay_address is where it listens. With BYTES COMMAND…, the command is run when so many have come, and
# nobody can connect to the relay any more.
relay_pid= relay_address=
start_relay() { # NAME [BYTES COMMAND…]
  local name=$1; shift
  rm -f "$scratch/relay.port" "$scratch/relay.bytes"
  python3 "$(dirname "${BASH_SOURCE[0]}")/relay.py" "${daemon_address[$name]##*:}" "$scratch/relay.port" "$scratch/relay.bytes" "$@" &
  relay_pid=$!
  for _ in $(seq 300); do
    [ -s "$scratch/relay.port" ] && { relay_address=grpc+http://127.0.0.1:$(cat "$scratch/relay.port"); return 0; }
    sleep 0.1
  done
  return 1
}
end_relay() { # sets relay_bytes
  kill "$relay_pid" 2>/dev/null; wait "$relay_pid" 2>/dev/null
  relay_pid=; relay_bytes=$(cat "$scratch/relay.bytes")
}
