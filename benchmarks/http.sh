#!/usr/bin/env bash
# http.sh: NARs from the daemon's binary cache beside the same NARs as files from nginx, in turns, and puts a table in Markdown in benchmarks/README.md.
#   TVIX_STORE_BIN  the tool; a native build, for what users run (default: tvix-store on PATH)
#   ROUNDS          how often each row is run (3)
#   TREES           the trees that are served (the .NET SDK and /usr/include), besides a file of RANDOM_BYTES random bytes (512 MiB)
#   WORK            where stores and files go (a folder in /dev/shm): in memory, so that the disk is not what is measured
#   PRINT=1         print the table only
# Clients are curl processes, one or four at a time, that drop what they get. A rate is that of the NARs, also where they travel compressed. Figures are medians; compare the ratios.
# Then ten clients at once get everything that a store has, and the daemon's peak memory is read.
# Needs nginx, curl, zstd, and python3.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tool=$(command -v "${TVIX_STORE_BIN:-tvix-store}")
dotnet=$(dirname "$(readlink -f "$(command -v dotnet)")")
read -ra trees <<< "${TREES:-$dotnet /usr/include}"
work=$(mktemp -d -p "${WORK:-/dev/shm}" tvix-http.XXXXXX)
pids=()
finish() { for pid in "${pids[@]}"; do kill "$pid" 2> /dev/null || true; done; wait; rm -rf "$work"; }
trap finish EXIT

chmod 755 "$work" # nginx's workers are somebody else where it is started as root
mkdir "$work/www"
head -c "${RANDOM_BYTES:-$((512 << 20))}" /dev/urandom > "$work/random"
: > "$work/trees"
for tree in "${trees[@]}" "$work/random"; do
  name=$(basename "$tree")
  "$tool" nar "$tree" > "$work/www/$name.nar"
  zstd -q -3 -T0 "$work/www/$name.nar"
  path=
  for compression in none zstd; do
    path=$("$tool" --store "local:$work/$compression?compression=$compression" import "$tree")
  done
  echo "$name ${path#/nix/store/}" >> "$work/trees"
done

cat > "$work/nginx.conf" <<N
worker_processes auto;
error_log $work/nginx.log;
pid $work/nginx.pid;
events { worker_connections 256; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  default_type application/octet-stream;
  client_body_temp_path $work/nginx; proxy_temp_path $work/nginx; fastcgi_temp_path $work/nginx; uwsgi_temp_path $work/nginx; scgi_temp_path $work/nginx;
  server { listen 127.0.0.1:NGINX_PORT; root $work/www; }
}
N
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
sed -i "s/NGINX_PORT/$port/" "$work/nginx.conf"
nginx=$(command -v nginx || echo /usr/sbin/nginx)
"$nginx" -p "$work" -c "$work/nginx.conf" -g 'daemon off;' 2> "$work/nginx.err" &
pids+=($!)
echo "nginx $! $port" > "$work/servers"

for compression in none zstd; do
  "$tool" --store "local:$work/$compression?compression=$compression" daemon --http 127.0.0.1:0 --log-level warn --port-file "$work/$compression.port" 2> "$work/$compression.log" &
  pids+=($!)
  for _ in $(seq 300); do [ -s "$work/$compression.port" ] && break; sleep 0.1; done
  echo "$compression $! $(cat "$work/$compression.port")" >> "$work/servers"
done

python3 benchmarks/http/measure.py "$work" "${ROUNDS:-3}" > "$work/table"
if [ -n "${PRINT:-}" ]; then
  cat "$work/table"
else
  python3 benchmarks/http/record.py benchmarks/README.md "$work/table" "$(git rev-parse --short HEAD)"
fi
