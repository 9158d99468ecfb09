#!/bin/sh
# Installs what `make bench` compares snapstore with and makes disks by, each package that is missing
# by itself: a peer that can't be had is left out of the comparison, which says so.
set -u

for package in borgbackup restic casync mmdebstrap xfsprogs lvm2 fdisk dosfstools mtools; do
  if dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed'; then
    continue
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null ||
    echo "$package can't be installed here" >&2
done
