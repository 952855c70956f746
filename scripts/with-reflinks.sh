#!/usr/bin/env bash
# Runs a command where files can be cloned: in an image that is mounted as long as the command runs, as the folder $TVIX_TEST_REFLINK_FOLDER, which tests of exports look at.
# Ends as the command does. Where nothing can be mounted, it says why, and runs the command without the folder.
#
#   scripts/with-reflinks.sh [--btrfs] COMMAND…
#
# The file system is XFS (xfsprogs), or Btrfs (btrfs-progs). Mounting takes root, and loop devices.
set -uo pipefail
PATH=$PATH:/usr/sbin
kind=xfs make=(mkfs.xfs -q -m reflink=1)
case ${1:-} in
    --btrfs) kind=btrfs make=(mkfs.btrfs -q); shift ;;
esac
case ${1:-} in
    "" | -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    -*) echo "error: unknown option $1" >&2; exit 2 ;;
esac

tmp=$(mktemp -d "${TMPDIR:-/tmp}/with-reflinks.XXXXXX")
mounted=
cleanup() {
    [ -z "$mounted" ] || umount "$tmp/mnt" || umount --lazy "$tmp/mnt" || return # and leave what is mounted
    rm -rf --one-file-system "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

set_up() {
    [ "$(id -u)" = 0 ] || { echo "only root can mount"; return 1; }
    command -v "${make[0]}" > /dev/null || { echo "${make[0]} is not installed"; return 1; }
    truncate -s 600M "$tmp/image" && "${make[@]}" "$tmp/image" && mkdir "$tmp/mnt" && mount -t $kind -o loop "$tmp/image" "$tmp/mnt"
}
unset TVIX_TEST_REFLINK_FOLDER
if set_up > "$tmp/log" 2>&1; then
    mounted=1
    export TVIX_TEST_REFLINK_FOLDER=$tmp/mnt
else
    echo "skipped: there is no $kind to clone files on, so tests of that are ignored: $(grep -v dmesg "$tmp/log" | tail -n 1)" >&2
fi

"$@"
