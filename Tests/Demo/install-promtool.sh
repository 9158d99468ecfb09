#!/bin/sh
# Puts promtool, which checks metrics, into FOLDER, out of Debian's package of Prometheus: the
# monitoring system itself is not installed. usage: install-promtool.sh FOLDER
set -eu

folder=$1
[ ! -x "$folder/promtool" ] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
download() { (cd "$work" && apt-get download -qq -o APT::Sandbox::User=root prometheus); }
echo "Fetching promtool"
download 2>/dev/null || { $sudo apt-get update -qq && download; } || {
  echo "promtool can't be fetched: the test of the metrics' format will fail" >&2
  exit 0
}
mkdir -p "$folder"
dpkg-deb --fsys-tarfile "$work"/prometheus_*.deb | tar -x -C "$work" ./usr/bin/promtool
# At once under its name, so that no half of it is taken for all.
mv "$work/usr/bin/promtool" "$folder/.promtool-$$"
mv "$folder/.promtool-$$" "$folder/promtool"
