#!/bin/bash
# Walks the way of docs/operations.md on small disks, as far as it needs no systemd: from a vault to
# scheduled runs of several days (under a fake clock), a failing machine, metrics, rules, damage,
# and the loss of the host. Also checks that the commands and metrics it names exist.
# usage: try-operations.sh PROGRAM FOLDER      (FOLDER is emptied)
set -euo pipefail
program=$(realpath "$1")
here=$(realpath "$(dirname "$0")/../..")
rm -rf "$2"
mkdir -p "$2"
work=$(realpath "$2")
cd "$work"
document=$here/docs/operations.md
PATH=$here/.build/tools:$PATH

day=0
say() { printf '\n== %s (%ss)\n' "$*" "$SECONDS"; }
fail() { printf 'try-operations: %s\n' "$*" >&2; exit 1; }
# The program on the day that it is: each is 25 hours, so that whatever is planned is due, and begins
# ten minutes past an hour, so that nothing gets due meanwhile.
start=$((3600 - $(date +%s) % 3600 + 600))
snapstore() { faketime -f "+$((start + day * 25 * 3600))" "$program" "$@"; }
# refused CODE COMMAND...: it ends with this exit code.
refused() {
  local code=0
  "${@:2}" >refused.log 2>&1 || code=$?
  [ "$code" = "$1" ] || { cat refused.log >&2; fail "exit code $code and not $1: ${*:2}"; }
}
# answers PYTHON COMMAND...: `answer`, which is the JSON it prints at last, makes the expression true.
answers() {
  "${@:2}" >answer.json || true
  python3 - "$1" answer.json <<'END' || { cat answer.json >&2; fail "not so: $1 (${*:2})"; }
import json, sys
answer = json.loads(open(sys.argv[2]).read().strip().split("\n")[-1])
sys.exit(0 if eval(sys.argv[1]) else 1)
END
}
points() { snapstore points --vm "$1" --json | grep -o '"point": *"[^"]*"' | wc -l; }
newest() { snapstore show latest --vm "$1" | sed -n 's/^Point: *//p'; }
# The disk as it is, for later; of the day.
remember() { mkdir -p "kept/$1.$day" && cp --sparse=always "${@:2}" "kept/$1.$day"; }
remember_all() {
  remember web vm/web-root.img vm/web-data.img
  remember db vm/db.img
  remember files vm/files.img
}
# Each disk has more each day. What was there stays, so that whatever the vault loses can heal.
change() {
  for disk in vm/web-root.img vm/web-data.img vm/db.img vm/files.img; do
    [ ! -e "$disk" ] ||
      head -c 700000 < <(seq "$day" 7 1000000) |
      dd of="$disk" bs=4096 seek=$((2048 + day * 256)) conv=notrunc status=none
  done
}

say "the commands of the documents"
"$here/Tests/Package/check-commands.py" "$program" "$here/README.md" "$document"

say "three machines, a vault, a configuration"
mkdir vm metrics backup
for disk in web-root:48 web-data:24 db:32 files:16; do
  # As a file system is: much that can be compressed, some that can't, and holes.
  image=vm/${disk%:*}.img
  { head -c 6000000 < <(seq 1 1000000); head -c 2000000 /dev/urandom; } >"$image"
  truncate -s "${disk#*:}M" "$image"
done
export HOME=$work/home XDG_STATE_HOME=$work/state SNAPSTORE_CONFIG=$work/snapstore.toml
unset SNAPSTORE_VAULT SNAPSTORE_REGION XDG_DATA_HOME
mkdir "$HOME"
cat >hook.sh <<END
#!/bin/sh
echo "\$1" >>$work/hooks.log
END
chmod 755 hook.sh
# The example of the package, with its lines taken in.
sed -E -e "s~^#(vault = ).*~\1\"$work/backup/vault\"~" -e 's~^#(region = ).*~\1"eu-west"~' \
  -e "s~^#(textfile = ).*~\1\"$work/metrics/snapstore.prom\"~" \
  -e "s~^#(success|warning|failure) = .*~\1 = [\"$work/hook.sh\", \"\1\"]~" \
  "$here/Packaging/snapstore.toml" >snapstore.toml
snapstore vault create --region eu-west backup/vault
answers 'answer["region"] == "eu-west"' snapstore vault info --json

say "preflight, regions"
answers 'answer and all({"code", "status", "subject", "message", "hint"} <= set(a) for a in answer)' \
  snapstore preflight --vm web vm/web-root.img vm/web-data.img --json
snapstore preflight --vm files vm/files.img
refused 77 snapstore preflight --region us-east --vm files vm/files.img
refused 77 snapstore backup --region us-east --vm files vm/files.img
refused 77 env SNAPSTORE_REGION=us-east "$program" preflight --vm files vm/files.img

say "policies and machines"
snapstore policy set gold --schedule "daily 02:00" --time-zone Europe/Berlin \
  --keep-last 3 --keep-daily 7 --keep-weekly 4 --keep-monthly 12
snapstore policy set often --schedule hourly --keep-last 24 --keep-daily 14
snapstore policy assign gold --vm web \
  --os-disk root=vm/web-root.img --data-disk data=vm/web-data.img
snapstore policy assign often --vm db --data-disk pg=vm/db.img
snapstore policy assign gold --vm files --os-disk vm/files.img
snapstore policy list

say "the first run, and one that finds nothing to do"
remember_all
snapstore run
answers 'len(answer) == 3' snapstore points --json
snapstore run
answers 'len(answer) == 3' snapstore points --json
snapstore jobs
answers 'sum(job["kind"] == "backup" for job in answer) == 3' snapstore jobs --json
answers 'answer == []' snapstore jobs --failed --json
grep -qx success hooks.log

say "the day after: one machine fails, the others are backed up"
day=1
change
mv vm/files.img away.img
refused 66 snapstore run
answers '[job["vm"] for job in answer if job["kind"] == "backup"] == ["files"]' \
  snapstore jobs --failed --json
grep -qx failure hooks.log
[ "$(points web) $(points db) $(points files)" = "2 2 1" ] || fail "points of the second day"
mv away.img vm/files.img
remember_all
snapstore run --vm files
[ "$(points web) $(points db) $(points files)" = "2 2 2" ] || fail "files is not made up for"

say "metrics"
snapstore metrics >metrics.txt
for machine in web db files; do
  grep -q "^snapstore_newest_point_timestamp_seconds{.*vm=\"$machine\"" metrics.txt ||
    fail "no newest point of $machine"
done
[ $((0$(stat -c %a metrics/snapstore.prom) & 4)) = 4 ] || fail "the exporter can't read the metrics"
grep -q '^snapstore_newest_point_timestamp_seconds' metrics/snapstore.prom
sed -n '/^```yaml$/,/^```$/p' "$document" | sed '/^```/d' >alerts.yml
if command -v promtool >/dev/null; then promtool check rules alerts.yml; fi

say "more days, rules"
for day in 2 3 4; do
  change
  remember_all
  snapstore run --quiet
done
snapstore verify
snapstore metrics >metrics.txt
for metric in $(grep -o 'snapstore_[a-z_]*' alerts.yml | sort -u); do
  grep -q "^# TYPE $metric " metrics.txt || fail "an alert asks for a metric that is not: $metric"
done
snapstore prune --dry-run
before=$(points web)
snapstore policy set gold --keep-last 1 --keep-daily 0 --keep-weekly 0 --keep-monthly 0
if snapstore run; then fail "a run deleted most points of a machine without being told to"; fi
[ "$(points web)" = "$before" ] || fail "points are gone"
snapstore prune --vm web --yes
[ "$(points web)" -lt "$before" ] || fail "prune deleted nothing"
snapstore policy set gold --keep-last 3 --keep-daily 7 --keep-weekly 4 --keep-monthly 12
deleted=$(snapstore points --vm web --deleted | awk 'NR == 2 { print $1 }')
snapstore point undelete "$deleted"
snapstore point pin "$deleted"
snapstore collect

say "damage heals"
pack=$(ls -S backup/vault/packs/* | sed -n 1p)
printf 'no such bytes' | dd of="$pack" bs=1 seek=300000 conv=notrunc status=none
refused 65 snapstore verify
for machine in web db files; do snapstore backup --vm "$machine" --quiet; done
snapstore verify

say "malware encrypts a machine"
day=5
good=$(newest web)
for disk in vm/web-root.img vm/web-data.img; do
  head -c "$(stat -c %s "$disk")" /dev/urandom | dd of="$disk" conv=notrunc bs=1M status=none
done
snapstore run
snapstore points --vm web | tail -1 | grep -q suspect || fail "nothing is suspected"
grep -qx warning hooks.log
snapstore prune --vm web --yes
snapstore show "$good" >/dev/null || fail "the last good point is gone"
snapstore restore --point "$good" --to clean
cmp clean/root.img kept/web.4/web-root.img
cmp clean/data.img kept/web.4/web-data.img
snapstore point unpin "$(newest web)"
if snapstore points --vm web | tail -1 | grep -q suspect; then fail "it is suspected still"; fi

say "the host is lost: a copy of the vault, a host that knows nothing"
hash=$(snapstore show latest --vm db | sed -n 's/^Hash: *//p')
cp -a backup/vault copy
rm -r vm state home backup
export HOME=$work/home2 XDG_STATE_HOME=$work/state2 SNAPSTORE_CONFIG= SNAPSTORE_VAULT=$work/copy
mkdir "$HOME" restored
snapstore points
snapstore policy list
snapstore verify --quick --expect "$hash"
for machine in db files; do
  snapstore restore --vm "$machine" --point latest --to "restored/$machine"
done
cmp restored/db/pg.img kept/db.4/db.img
cmp restored/files/files.img kept/files.4/files.img
snapstore restore --vm web --point "$deleted" --to restored/web
# Whose it is, its own time says: one of the days before.
found=
for old in kept/web.*; do
  if cmp -s restored/web/root.img "$old/web-root.img"; then found=$old; fi
done
[ -n "$found" ] || fail "the restored point is of no day"
cmp restored/web/data.img "$found/web-data.img"

say "all of docs/operations.md that needs no systemd works"
