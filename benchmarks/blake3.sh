#!/usr/bin/env bash
# blake3.sh: BLAKE3 beside the Rust crate (Debian's librust-blake3-dev, with its assembly) and b3sum, in turns; prints tables in Markdown.
#   ROUNDS        how often each size is hashed by both (201)
#   FILE_ROUNDS   how often the file is (9)
#   FILE_BYTES    its size (2 GiB); 0 for no file
#   WORK          where the file and the crate's build go (a folder in /dev/shm)
#   NATIVE=1      ours compiled ahead of time (IlcInstructionSet=native) instead of under the JIT
#   FRAMEWORK     what it is compiled for (net10.0)
# Both run in one process, a millisecond each, by turns; figures are medians, ratios medians of the ratios of neighbours: above one, ours is faster.
# "AVX2" is the same machine with AVX-512 switched off in both. Needs cargo, librust-blake3-dev, gcc, b3sum.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d -p "${WORK:-/dev/shm}" tvix-blake3.XXXXXX)
trap 'rm -rf "$work"' EXIT
framework=${FRAMEWORK:-net10.0}
rounds=${ROUNDS:-201}

cp -r benchmarks/blake3/crate "$work/crate"
mkdir "$work/crate/.cargo"
cat > "$work/crate/.cargo/config.toml" <<C
[source.crates-io]
replace-with = "debian"
[source.debian]
directory = "/usr/share/cargo/registry"
C
(cd "$work/crate"
 cargo build -q --release --offline --target-dir "$work/avx512"
 cargo build -q --release --offline --target-dir "$work/avx2" --features avx2-only)

build() { # INSTRUCTION-SET: builds ours and says where it is
  local out=$work/ours-${1%%\%*}
  if [ -n "${NATIVE:-}" ]; then
    dotnet publish benchmarks/blake3 -c Release -r linux-x64 -p:PublishAot=true -p:IlcInstructionSet="$1" -p:TvixTargetFramework="$framework" -p:ArtifactsPath="$out-build" \
      -o "$out" > "$work/build.log" 2>&1 || { cat "$work/build.log" >&2; return 1; }
  else
    dotnet build benchmarks/blake3 -c Release -p:TvixTargetFramework="$framework" -p:ArtifactsPath="$out-build" -o "$out" > "$work/build.log" 2>&1 || { cat "$work/build.log" >&2; return 1; }
  fi
  echo "$out/Blake3Compare"
}

head='| input | ours | crate | ratio |\n|---|---|---|---|'
many='| messages | each of them, together | one at a time | ratio |\n|---|---|---|---|'
best=$(build native)
small=$best
[ -z "${NATIVE:-}" ] || small=$(build base%2Cavx2%2Cbmi%2Cbmi2%2Clzcnt%2Cmovbe%2Cpopcnt%2Cfma)
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$(ls -d /usr/share/cargo/registry/blake3-*/ | head -1)Cargo.toml" | head -1)
echo "$(date -u +%F), at $(git rev-parse --short HEAD). $(nproc) cores of an $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), load over 15 minutes $(cut -d' ' -f3 /proc/loadavg);" \
  "$([ -n "${NATIVE:-}" ] && echo "native AOT, $framework" || echo "JIT, $framework"); crate $version, $(rustc --version | cut -d' ' -f1-2), $(b3sum --version)."
printf '\nOne thread, in memory:\n\n%b\n' "$head"
"$best" memory "$work/avx512/release/libmeasured.so" "$rounds"
printf '\nThe same, AVX2:\n\n%b\n' "$head"
DOTNET_EnableAVX512=0 DOTNET_EnableAVX512F=0 "$small" memory "$work/avx2/release/libmeasured.so" "$rounds"
printf '\nMany small messages (ours):\n\n%b\n' "$many"
"$best" many "$rounds"

bytes=${FILE_BYTES:-$((2 << 30))}
[ "$bytes" != 0 ] || exit 0
head -c "$bytes" /dev/urandom > "$work/file"
printf '\nA file in memory (seconds; ratio of times, below one ours is faster):\n\n| file, threads | ours, in a process that runs | ours, whole process | b3sum |\n|---|---|---|---|\n'
"$best" file "$work/file" "${FILE_ROUNDS:-9}"
