#!/bin/bash
# The systemd units as systemd reads them, with a stand-in for the program: nothing in them is
# unknown, their sandbox is as tight as it was, their calendars mean something.
# usage: try-units.sh
set -euo pipefail
here=$(realpath "$(dirname "$0")/../..")
work=$(mktemp -d "${TMPDIR:-/tmp}/snapstore-units.XXXXXX")
trap 'rm -rf "$work"' EXIT
fail() { printf 'try-units: %s\n' "$*" >&2; exit 1; }

ln -s /bin/true "$work/snapstore"
"$here/Packaging/systemd/make-units.sh" "$work" /usr/share/doc/snapstore "$work/units"
cd "$work/units"
if grep -nE '@[a-z]+@' ./*; then fail "a place is left open"; fi
for unit in run verify; do
  grep -qx "ExecStart=$work/snapstore $unit" "snapstore-$unit.service" || fail "ExecStart of $unit"
  grep -qx Type=oneshot "snapstore-$unit.service" || fail "$unit has no sandbox"
done

# It calls an unknown setting a warning and ends well: so any word of it is a fault here. The
# manual pages are not installed.
said=$(systemd-analyze verify --man=no ./*.service ./*.timer 2>&1) || fail "verify: $said"
[ -z "$said" ] || fail "verify: $said"
# Of 100: 1.5 as it prints it, a little more than it is.
for service in *.service; do
  said=$(systemd-analyze security --no-pager --offline=true --threshold=15 "$service" 2>&1) ||
    fail "$(grep -E '✗|→' <<<"$said")"
  printf '%s\n' "$said" | tail -1
done
for timer in *.timer; do
  calendar=$(sed -n 's/^OnCalendar=//p' "$timer")
  [ -n "$calendar" ] || fail "$timer has no calendar"
  said=$(systemd-analyze calendar "$calendar" 2>&1) || fail "$timer: $said"
  printf '%s: %s\n' "$timer" "$(sed -n 's/^ *Normalized form: //p' <<<"$said")"
done
