#!/usr/bin/env bash
# peers.sh TREE…: times tvix-store beside the tools that do the same work, in turns, and prints a table in Markdown for each tree.
#   TVIX_STORE_BIN  the tool; a native build, for what users run (default: tvix-store on PATH)
#   RUNS            pairs for each peer (3); a peer that takes more than SLOW seconds (10) gets one
#   PEERS           which peers ("nix borg restic casync ostree git b3sum"); those that are not installed are left out, with a word
#   WORKS           which rows: a regular expression for their names
#   LIMIT           seconds for one run (300)
#   WORK            where stores and outputs go (a folder in /dev/shm): in memory, so that the disk is not what is measured
#   RESULTS         a file that gets every run, for those who want more than medians
# A row is one kind of work. Ours and one peer run by turns, then ours and the next; before each run memory is touched, and the input and the stores are read, so that neither fresh pages nor a cold
# cache are measured. Ratios are medians of the ratios of neighbours, times are medians. What a peer cannot do is a dash; why is on standard error. A tree named v1 with a v2 beside it is
# taken for two versions of the same: then the second is stored beside the first, too. Ours is durable on return, the peers are as they come (restic, casync and git do not flush).
# A peak below 20 MB is not told from 20 MB: that is what the process has from which the tools are started. Needs python3. Debian: apt-get install nix-bin borgbackup restic casync ostree git b3sum
set -euo pipefail
exec python3 "$(dirname "${BASH_SOURCE[0]}")/peers/peers.py" "$@"
