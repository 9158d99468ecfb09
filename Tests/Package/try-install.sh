#!/bin/bash
# `make install` and `make uninstall` into a folder: what is installed runs, and nothing of it stays.
set -euo pipefail
work=$(mktemp -d "${TMPDIR:-/tmp}/snapstore-install.XXXXXX")
trap 'rm -rf "$work"' EXIT

make --no-print-directory install DESTDIR="$work" PREFIX=/opt/tools
installed=$work/opt/tools
"$installed/bin/snapstore" --version
if ldd "$installed/bin/snapstore" | grep -i swift; then
  echo "the program needs the Swift runtime" >&2
  exit 1
fi
for file in share/man/man1/snapstore.1 share/man/man1/snapstore-vault-create.1 \
  share/bash-completion/completions/snapstore share/zsh/site-functions/_snapstore \
  share/fish/vendor_completions.d/snapstore.fish share/doc/snapstore/LICENSE \
  share/doc/snapstore/snapstore.toml share/doc/snapstore/docs/operations.md \
  lib/systemd/system/snapstore-{run,verify}.timer; do
  test -s "$installed/$file"
done
grep -qx 'ExecStart=/opt/tools/bin/snapstore verify' \
  "$installed/lib/systemd/system/snapstore-verify.service"
make --no-print-directory uninstall DESTDIR="$work" PREFIX=/opt/tools
if find "$work" -type f | grep .; then
  echo "make uninstall leaves files" >&2
  exit 1
fi
