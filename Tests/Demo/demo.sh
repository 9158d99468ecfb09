#!/bin/bash
# What snapstore is for, on a real disk image: back up, change, back up, restore both, compare.
# usage: demo.sh path/to/snapstore
set -euo pipefail

snapstore=$(realpath "$1")
export SNAPSTORE_CONFIG=  # nothing that this machine has configured
export PATH="$PATH:/usr/sbin:/sbin"  # mke2fs and debugfs, where they are not on a user's path
work=$(mktemp -d "${TMPDIR:-/tmp}/snapstore-demo.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
show() { printf '$ %s\n' "$*"; "${@}"; }
run() { printf '$ snapstore %s\n' "$*"; "$snapstore" "$@"; }

say "A disk image: an ext4 file system with the programs and documents of this machine"
mkdir files
for folder in /usr/bin /usr/share/doc /usr/share/perl; do
  [ ! -d "$folder" ] || cp -rL --parents "$folder" files 2>/dev/null || true
done
# Not more than a demonstration needs: the largest files go first. (sed reads to the end, where head
# would leave sort with a broken pipe.)
while [ "$(du -sm files | cut -f1)" -gt 400 ]; do
  find files -type f -size +1M -printf '%s %p\0' | sort -znr | sed -zn 1,20p | cut -zd' ' -f2- |
    xargs -0 rm -f
done
mke2fs -q -F -t ext4 -d files disk.img "$(($(du -sm files | cut -f1) * 3 / 2 + 64))M"
show ls -lhs disk.img

say "The first backup, into a new vault"
run vault create vault
run backup --vault vault disk.img
cp --sparse=always disk.img monday.img

say "The disk changes: a file is added and one is removed; then the second backup"
head -c 3000000 /dev/urandom > report.bin
debugfs -w -R 'write report.bin report.bin' disk.img 2>/dev/null
debugfs -w -R "rm $(cd files && find usr/bin -type f -size +64k | sort | sed -n 1p)" disk.img \
  2>/dev/null
run backup --vault vault disk.img
cp --sparse=always disk.img tuesday.img

say "The recovery points"
run points --vault vault
first=$("$snapstore" points --vault vault | awk 'NR == 2 { print $1 }')

say "Both moments restored, to new files"
run restore --vault vault --point "$first" --to restored-monday
run restore --vault vault --point latest --to restored-tuesday

say "Compared byte for byte"
show cmp monday.img restored-monday/disk.img
show cmp tuesday.img restored-tuesday/disk.img
e2fsck -fn restored-tuesday/disk.img >/dev/null 2>&1 && echo "e2fsck finds the file system clean"

say "Nothing is ever replaced"
if run restore --vault vault --point latest --to restored-tuesday; then
  echo "the second restore should have been refused" >&2
  exit 1
fi

say "What the vault holds"
run vault info --vault vault
echo
echo "Both restored disks are the same as the originals, byte for byte."
