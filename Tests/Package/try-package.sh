#!/bin/bash
# Installs a Debian package in a Debian system made for it that has no Swift and no snapstore, uses
# the program as a person does, and removes it again: nothing may stay.
# usage: try-package.sh PACKAGE [SUITE]     (root, or a user that may have user namespaces)
set -euo pipefail
package=$(realpath "$1")
suite=${2:-bookworm}

work=$(mktemp -d "${TMPDIR:-/tmp}/snapstore-package.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"  # another user reads it where mmdebstrap takes one
cp "$package" "$work/snapstore.deb"

cat >"$work/inside.sh" <<'END'
set -eu
say() { printf '== %s\n' "$*"; }
# All files but those of the package system and its caches.
files() { find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp \
  -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache -o -path /var/log \) -prune \
  -o -print | sort; }
export DEBIAN_FRONTEND=noninteractive HOME=/tmp/home
mkdir -p "$HOME"
cd /tmp

say "nothing of Swift is here"
if find / -xdev -name 'libswift*' | grep .; then exit 1; fi
apt-get update -qq
# What it needs of the system, so that the list tells of the package alone.
apt-get install -y -qq --no-install-recommends \
  $(dpkg-deb -f snapstore.deb Depends | sed -E 's/ \([^)]*\)//g; s/,/ /g') >/dev/null
files >before

say "install"
apt-get install -y -qq ./snapstore.deb >/dev/null
dpkg --verify snapstore
command -v snapstore
snapstore --version
for file in /usr/share/man/man1/snapstore.1.gz /usr/share/man/man1/snapstore-backup.1.gz \
  /usr/share/bash-completion/completions/snapstore /usr/share/zsh/vendor-completions/_snapstore \
  /usr/share/fish/vendor_completions.d/snapstore.fish /usr/share/doc/snapstore/copyright \
  /etc/snapstore/snapstore.toml /usr/lib/systemd/system/snapstore-run.timer; do
  test -s "$file"
done
# Nothing is enabled by itself.
if find /etc/systemd -name 'snapstore*' 2>/dev/null | grep .; then exit 1; fi

say "backup and restore"
head -c 20000000 /dev/urandom >disk.img
truncate -s 50M disk.img
snapstore vault create vault
snapstore backup --vault vault disk.img
printf changed | dd of=disk.img bs=1 seek=12345678 conv=notrunc status=none
snapstore backup --vault vault disk.img --quiet
snapstore restore --vault vault --point latest --to restored
cmp disk.img restored/disk.img
if snapstore restore --vault vault --point latest --to restored 2>refused; then exit 1; fi
grep -q '^snapstore: error: ' refused

say "remove"
apt-get purge -y -qq snapstore >/dev/null
files >after
diff before after
test ! -e /usr/bin/snapstore
say "nothing stays"
END

# The hooks run inside, where mmdebstrap has the rights of root; the system itself is not kept.
mmdebstrap --quiet --variant=apt --format=null \
  --customize-hook="upload $work/snapstore.deb /tmp/snapstore.deb" \
  --customize-hook="upload $work/inside.sh /tmp/inside.sh" \
  --customize-hook='chroot "$1" sh /tmp/inside.sh >&2' \
  "$suite" /dev/null
