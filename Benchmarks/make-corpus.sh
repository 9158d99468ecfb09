#!/bin/bash
#
# make-corpus.sh DIR: real disk images of Debian systems for measuring a backup engine.
#
#   DIR/web.img, db.img, data.img   three systems, raw ext4 (4, 6 and 4 GiB apparent, about 6 GiB allocated)
#   DIR/day2/                       the same disks a day later
#   DIR/variants/                   one small system on other file systems and partition layouts
#   DIR/README                      what there is, with sizes
#
# What exists is left alone: after a failure, or with an image removed, run it again.
# Needs root, loop devices, a network with a Debian mirror, 20 GiB of space and:
#   apt-get install mmdebstrap e2fsprogs xfsprogs lvm2 fdisk dosfstools mtools
# Device mapper is not needed: logical volumes are written at their offsets.

set -euo pipefail
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

readonly RELEASE=bookworm
readonly MIB=$((1024 * 1024))
readonly APT_OPTIONS=(
    'Acquire::Check-Valid-Until "false"'
    'Acquire::Check-Date "false"'
    'Acquire::Languages "none"'
)

say() { printf '%s %s\n' "$(date +%T)" "$*" >&2; }
fail() { say "error: $*"; exit 1; }

# --- Set-up and clean-up ------------------------------------------------------------------------

mounted=''
loop_device=''

clean_up() {
    if [[ -n $mounted ]]; then umount "$mounted" || true; fi
    if [[ -n $loop_device ]]; then losetup -d "$loop_device" || true; fi
}

check_tools() {
    local tool
    [[ $EUID -eq 0 ]] || fail 'must run as root'
    for tool in mmdebstrap mke2fs e2fsck mkfs.xfs pvcreate sfdisk losetup mkfs.vfat mcopy; do
        command -v "$tool" >/dev/null || fail "$tool is not installed"
    done
}

# apt_sources: the file of package sources this host uses, for mmdebstrap.
apt_sources() {
    local file
    for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
        if [[ -s $file ]]; then echo "$file"; return; fi
    done
    fail 'no package sources found in /etc/apt'
}

# build FILE COMMAND...: runs COMMAND FILE.partial and renames, unless FILE exists.
build() {
    local file=$1
    shift
    if [[ -e $file ]]; then say "exists: $file"; return; fi
    say "making: $file"
    rm -rf -- "$file.partial"
    "$@" "$file.partial"
    mv -T -- "$file.partial" "$file"
}

# --- Systems ------------------------------------------------------------------------------------

# bootstrap VARIANT PACKAGES DIRECTORY: a Debian system, with its package lists kept.
bootstrap() {
    local variant=$1 packages=$2 directory=$3 option
    local -a options=()
    for option in "${APT_OPTIONS[@]}"; do options+=(--aptopt="$option"); done
    nice mmdebstrap --quiet --mode=root --format=directory --variant="$variant" \
        --skip=cleanup/apt/lists --dpkgopt=force-unsafe-io "${options[@]}" \
        --include="$packages" "$RELEASE" "$directory" "$(apt_sources)"
}

# inside ROOT SCRIPT: runs a bash script in a system. Its mounts and processes end with it.
inside() {
    local root=$1 script=$2
    # shellcheck disable=SC2016  # expanded by the inner shell
    unshare --mount --pid --fork --kill-child --propagation private bash -euo pipefail -c '
        mount -t proc proc "$1/proc"
        mount --bind /dev "$1/dev"
        mount -t tmpfs tmpfs "$1/dev/shm"
        mount -t tmpfs tmpfs "$1/run"
        mkdir -p "$1/run/lock"
        exec chroot "$1" /bin/bash -euo pipefail -c "$2"
    ' inside "$root" "$script" >&2
}

# install_packages ROOT PACKAGES: installs packages without starting their services.
install_packages() {
    local root=$1 packages=$2
    printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
    chmod +x "$root/usr/sbin/policy-rc.d"
    inside "$root" "
        export DEBIAN_FRONTEND=noninteractive
        apt-get -qq -y install --no-install-recommends $packages
        apt-get clean"
    rm "$root/usr/sbin/policy-rc.d"
}

# with_database ROOT SCRIPT: runs a script in a system while its PostgreSQL runs (no network).
with_database() {
    local root=$1 script=$2
    inside "$root" "
        pg_ctlcluster 15 main start -- -w -t 120 -o \"-c listen_addresses='' -c max_wal_size=256MB\"
        cd /tmp
        $script
        pg_ctlcluster 15 main stop -m fast"
}

web_system() {
    bootstrap important linux-image-cloud-amd64,nginx,python3,python3-pip,openssh-server,ca-certificates,curl "$1"
}

db_system() {
    bootstrap important linux-image-cloud-amd64,postgresql,build-essential,openssh-server,ca-certificates,git "$1"
    # Accounts for pgbench, and real text: the headers and documents of the system itself.
    # shellcheck disable=SC2016  # expanded inside
    with_database "$1" '
        find /usr/include /usr/share/doc /usr/share/perl -type f -size -512k > /tmp/files
        su postgres -c "createdb bench"
        su postgres -c "pgbench -q -i -s 50 bench"
        su postgres -c "psql -q -v ON_ERROR_STOP=1 bench" <<"SQL"
            CREATE TABLE documents (id serial PRIMARY KEY, path text NOT NULL, body bytea);
            CREATE TEMP TABLE files (path text);
            COPY files FROM $$/tmp/files$$;
            INSERT INTO documents (path, body) SELECT path, pg_read_binary_file(path) FROM files;
            CREATE INDEX ON documents (path);
            VACUUM ANALYZE;
            CHECKPOINT;
SQL
        rm /tmp/files'
}

data_system() {
    local packages=(
        ca-certificates build-essential clang-16 lld-16 llvm-16-dev libclang-16-dev
        golang-1.19-go golang-1.19-src ghc rustc cargo gfortran-12 gdb
    )
    bootstrap important "$(IFS=,; echo "${packages[*]}")" "$1"
}

small_system() {
    bootstrap minbase \
        linux-image-cloud-amd64,systemd-sysv,systemd-boot,openssh-server,python3-minimal,vim-tiny,iproute2,ca-certificates "$1"
}

# --- File systems -------------------------------------------------------------------------------

# ext4_image ROOT SIZE MKE2FS-OPTIONS... FILE: a sparse image of a directory.
ext4_image() {
    local root=$1 size=$2 image=${*: -1}
    local -a options=("${@:3:$#-3}")
    truncate -s "$size" "$image"
    nice mke2fs -q -F -t ext4 -m 1 -d "$root" "${options[@]}" "$image"
    e2fsck -fn "$image" >/dev/null 2>&1 || fail "$image: e2fsck finds errors"
}

# xfs_image ROOT SIZE FILE
xfs_image() {
    local root=$1 size=$2 image=$3
    truncate -s "$size" "$image"
    mkfs.xfs -q "$image"
    mount_image "$image"
    cp -a -- "$root/." "$mounted/"
    unmount_image
}

mount_image() {
    mkdir -p "$work/mnt"
    mount -o loop "$1" "$work/mnt"
    mounted=$work/mnt
}

unmount_image() {
    umount "$mounted"
    mounted=''
}

# change_image SOURCE COMMAND COPY: a copy of an image with COMMAND run on its mounted root.
change_image() {
    local source=$1 command=$2 copy=$3
    cp --sparse=always -- "$source" "$copy"
    mount_image "$copy"
    "$command" "$mounted"
    unmount_image
}

# --- A day later --------------------------------------------------------------------------------

web_day2() {
    install_packages "$1" 'git php-fpm redis-server certbot python3-django rsync'
    fstrim "$1"
}

db_day2() {
    with_database "$1" 'su postgres -c "pgbench -T 20 -c 4 -j 2 bench"'
}

data_day2() {
    rm -rf "$1/usr/lib/ghc"
    install_packages "$1" 'libboost1.81-dev'
}

# --- Variants -----------------------------------------------------------------------------------

# place FILE IMAGE OFFSET: writes a file into an image at a byte offset, holes left as they are.
place() {
    dd if="$1" of="$2" bs=1M oflag=seek_bytes seek="$3" conv=notrunc,sparse status=none
}

# put_ext4 IMAGE OFFSET SIZE / put_xfs / put_swap / put_esp: one file system in an image.
put_ext4() { put ext4_image "$1" "$2" "$3"; }
put_xfs() { put xfs_image "$1" "$2" "$3"; }

put() {
    local part=$work/part
    rm -f "$part"
    "$1" "$small" "$4" "$part"
    place "$part" "$2" "$3"
    rm "$part"
}

put_swap() {
    local part=$work/part
    truncate -s "$3" "$part"
    mkswap -q "$part" 2>/dev/null
    place "$part" "$1" "$2"
    rm "$part"
}

put_esp() {
    local part=$work/part
    truncate -s "$3" "$part"
    mkfs.vfat -F 32 -n ESP "$part" >/dev/null
    mmd -i "$part" ::/EFI ::/EFI/BOOT ::/EFI/Linux
    mcopy -i "$part" "$small/usr/lib/systemd/boot/efi/systemd-bootx64.efi" ::/EFI/BOOT/BOOTX64.EFI
    mcopy -i "$part" "$small"/boot/vmlinuz-* "$small"/boot/initrd.img-* ::/EFI/Linux/
    place "$part" "$1" "$2"
    rm "$part"
}

mbr_image() {
    truncate -s 1100M "$1"
    sfdisk -q "$1" <<'TABLE'
label: dos
start=2048, size=1638400, type=83, bootable
size=524288, type=82
TABLE
    put_ext4 "$1" $((2048 * 512)) $((800 * MIB))
    put_swap "$1" $(((2048 + 1638400) * 512)) $((256 * MIB))
}

gpt_image() {
    truncate -s 1100M "$1"
    sfdisk -q "$1" <<'TABLE'
label: gpt
start=2048, size=262144, type=uefi, name="ESP"
size=1638400, type=linux, name="root"
TABLE
    put_esp "$1" $((2048 * 512)) $((128 * MIB))
    put_ext4 "$1" $(((2048 + 262144) * 512)) $((800 * MIB))
}

# lvm_offline COMMAND...: one LVM command that sees only our loop device and needs no device mapper.
lvm_offline() {
    LVM_SUPPRESS_FD_WARNINGS=1 "$@" --driverloaded n --devices "$loop_device" \
        --config 'backup { backup=0 archive=0 } activation { udev_sync=0 udev_rules=0 monitoring=0 } global { event_activation=0 }'
}

# volume_offset GROUP NAME: where a (linear, one-piece) logical volume starts on its physical volume.
volume_offset() {
    lvm_offline pvs --segments --noheadings --nosuffix --units b -o lv_name,pe_start,pvseg_start,vg_extent_size 2>/dev/null |
        awk -v name="$2" '$1 == name { print $2 + $3 * $4; found++ } END { exit found != 1 }'
}

# put_lvm IMAGE OFFSET SIZE GROUP: a physical volume with an ext4 and an XFS volume.
put_lvm() {
    local image=$1 offset=$2 size=$3 group=$4 root_offset data_offset
    loop_device=$(losetup --find --show --offset "$offset" --sizelimit "$size" "$image")
    lvm_offline pvcreate -q -y "$loop_device"
    lvm_offline vgcreate -q -y "$group" "$loop_device"
    lvm_offline lvcreate -q -y --activate n --zero n --wipesignatures n -L 800M -n root "$group"
    lvm_offline lvcreate -q -y --activate n --zero n --wipesignatures n -L 800M -n data "$group"
    root_offset=$(volume_offset "$group" root)
    data_offset=$(volume_offset "$group" data)
    losetup -d "$loop_device"
    loop_device=''
    put_ext4 "$image" $((offset + root_offset)) $((800 * MIB))
    put_xfs "$image" $((offset + data_offset)) $((800 * MIB))
}

lvm_whole_image() {
    truncate -s 1700M "$1"
    put_lvm "$1" 0 $((1700 * MIB)) vg_whole
}

lvm_partition_image() {
    truncate -s 1750M "$1"
    sfdisk -q "$1" <<'TABLE'
label: gpt
start=2048, size=3481600, type=lvm
TABLE
    put_lvm "$1" $((2048 * 512)) $((1700 * MIB)) vg_part
}

# odd_image SOURCE BYTES COPY: an image with odd bytes at its end.
odd_image() {
    cp --sparse=always -- "$1" "$3"
    head -c "$2" /dev/urandom >> "$3"
}

make_variants() {
    local variants=$1
    mkdir -p "$variants"
    build "$small" small_system
    build "$variants/ext4-4k.img" ext4_image "$small" 800M
    build "$variants/ext4-1k.img" ext4_image "$small" 800M -b 1024
    build "$variants/xfs.img" xfs_image "$small" 800M
    build "$variants/mbr-ext4-swap.img" mbr_image
    build "$variants/gpt-esp-ext4.img" gpt_image
    build "$variants/lvm-whole.img" lvm_whole_image
    build "$variants/lvm-partition.img" lvm_partition_image
    build "$variants/odd-plus-1.img" odd_image "$variants/ext4-4k.img" 1
    build "$variants/odd-plus-777.img" odd_image "$variants/ext4-1k.img" 777
    build "$variants/odd-plus-4608.img" odd_image "$variants/xfs.img" 4608
    build "$variants/odd-plus-5001.img" odd_image "$variants/mbr-ext4-swap.img" 5001
}

# --- All of it ----------------------------------------------------------------------------------

# make_system NAME SIZE: DIR/NAME.img and DIR/day2/NAME.img.
make_system() {
    local name=$1 size=$2
    if [[ ! -e $corpus/$name.img ]]; then
        build "$work/$name" "${name}_system"
        build "$corpus/$name.img" ext4_image "$work/$name" "$size" -L "$name"
        rm -rf -- "${work:?}/$name"
    fi
    build "$corpus/day2/$name.img" change_image "$corpus/$name.img" "${name}_day2"
}

write_readme() {
    local file
    {
        cat <<'TEXT'
Disk images of Debian 12 systems, for measuring. Made by make-corpus.sh; remove one and run it again to make it anew.

web        nginx, python, kernel                    day 2: packages installed (git, php, redis, django), then fstrim
db         PostgreSQL (pgbench scale 50 and a       day 2: 20 s of pgbench
           table of documents), build-essential
data       clang/LLVM, Go, GHC, Rust, static libs   day 2: /usr/lib/ghc removed, Boost headers and libraries added, no trim
variants/  one small system:
  ext4-4k, ext4-1k, xfs   a file system on the whole disk
  mbr-ext4-swap           MBR: ext4 and swap
  gpt-esp-ext4            GPT: ESP (FAT32, boot loader, kernel, initrd) and ext4
  lvm-whole               physical volume on the whole disk, volume group vg_whole: LV root (ext4), LV data (XFS)
  lvm-partition           the same in a GPT partition, volume group vg_part
  odd-plus-N              one of the above with N random bytes at the end (1: ext4-4k, 777: ext4-1k, 4608: xfs, 5001: mbr-ext4-swap)

   apparent bytes  allocated MiB  image
TEXT
        while IFS= read -r file; do
            printf '%17d %14d  %s\n' "$(stat -c %s "$file")" "$(($(stat -c %b "$file") * 512 / MIB))" "${file#"$corpus/"}"
        done < <(find "$corpus" -path "$work" -prune -o -name '*.img' -print | sort)
    } > "$corpus/README"
}

main() {
    [[ $# -eq 1 ]] || fail 'usage: make-corpus.sh DIR'
    check_tools
    mkdir -p "$1/day2" "$1/.work"
    corpus=$(realpath "$1")
    work=$corpus/.work
    small=$work/small
    trap clean_up EXIT
    make_system web 4G
    make_system db 6G
    make_system data 4G
    make_variants "$corpus/variants"
    write_readme
    say "done: $corpus/README"
}

main "$@"
