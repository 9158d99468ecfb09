#!/bin/sh
# Writes the systemd units for programs in BINDIR, with documents in DOCDIR, to FOLDER.
# usage: make-units.sh BINDIR DOCDIR FOLDER
# What the services share, their sandbox, is kept once and put into each.
set -eu
here=$(dirname "$0")
mkdir -p "$3"
for unit in "$here"/*.service "$here"/*.timer; do
  sed -e "s|@bindir@|$1|" -e "s|@docdir@|$2|" \
    -e "/^@sandbox@\$/{
r $here/sandbox.conf
d
}" "$unit" >"$3/$(basename "$unit")"
done
