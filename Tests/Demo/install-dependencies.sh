#!/bin/sh
# Installs the Debian packages that building and testing snapstore needs, if any is missing, and
# those that are named.
set -eu

command -v swift >/dev/null || {
  echo "snapstore needs a Swift 6.3 toolchain on PATH: https://www.swift.org/install/linux" >&2
  exit 1
}

# Hashes several streams at once, on x86-64 only; the program is complete without it.
multi_buffer=
[ "$(dpkg --print-architecture)" != amd64 ] || multi_buffer=libipsec-mb-dev

missing=
for package in liblz4-dev libxxhash-dev libzstd-dev pkg-config e2fsprogs strace faketime $multi_buffer "$@"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
    missing="$missing $package"
done
[ -n "$missing" ] || exit 0

sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
echo "Installing:$missing"
$sudo apt-get update -qq
# shellcheck disable=SC2086 # a list of words
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing
