#!/bin/bash
# Makes a Debian package of a folder that `make install PREFIX=/usr` has filled. Needs no root.
# usage: make-package.sh FOLDER TARGET
# FOLDER is changed to what Debian expects: compressed pages, its own names for license and changes.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
tree=$(realpath "$1")
target=$2
umask 022

release=$(dpkg-parsechangelog -l "$here/changelog" -S Version)
version=$("$tree/usr/bin/snapstore" --version)
[ "${release%-*}" = "${version#snapstore }" ] || {
  echo "Packaging/changelog tells of $release, but the program is $version" >&2
  exit 1
}
# The same bytes for the same program, whenever and by whom it is packed.
SOURCE_DATE_EPOCH=$(dpkg-parsechangelog -l "$here/changelog" -S Timestamp)
export SOURCE_DATE_EPOCH

documents=$tree/usr/share/doc/snapstore
rm "$documents/LICENSE"
install -m 644 "$here/copyright" "$documents/copyright"
gzip -9n <"$here/changelog" >"$documents/changelog.Debian.gz"
gzip -9n "$tree"/usr/share/man/man1/*.1
# An administrator's file, which an upgrade leaves as it is.
install -d "$tree/etc/snapstore"
mv "$documents/snapstore.toml" "$tree/etc/snapstore"

# dpkg-shlibdeps wants to stand in a source package.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/debian" "$tree/DEBIAN"
printf 'Source: snapstore\n\nPackage: snapstore\nArchitecture: any\n' >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O "$tree/usr/bin/snapstore" | sed 's/^shlibs:Depends=//')

echo /etc/snapstore/snapstore.toml >"$tree/DEBIAN/conffiles"
install -m 755 "$here/prerm" "$here/postrm" "$tree/DEBIAN"
(cd "$tree" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$tree/DEBIAN/md5sums"
cat >"$tree/DEBIAN/control" <<END
Package: snapstore
Version: $release
Architecture: $(dpkg --print-architecture)
Maintainer: $(dpkg-parsechangelog -l "$here/changelog" -S Maintainer)
Installed-Size: $(du -skc --apparent-size "$tree/usr" "$tree/etc" | tail -1 | cut -f1)
Depends: $depends
Section: admin
Priority: optional
Description: block-level backup for virtual machines
 snapstore reads the disks of a virtual machine in parallel, stores each piece
 of content once, compressed, in a vault, and turns any recovery point back
 into new disk files.
 .
 A recovery point exists fully or not at all. A restore that ends well has
 written complete files, checked against fingerprints taken when the disks were
 read. Source disks are never written to, and no file is ever replaced.
END
chmod -R u=rwX,go=rX "$tree"
find "$tree" -newermt "@$SOURCE_DATE_EPOCH" -print0 |
  xargs -0r touch --no-dereference --date="@$SOURCE_DATE_EPOCH"
dpkg-deb --root-owner-group -Zxz --build "$tree" "$target" >/dev/null
