# Shell functions that make the images of guests. Sourced by tests/vm/run.
# shellcheck shell=sh
: "${cache=}" "${top:?}"

mirror=${RR_VM_MIRROR:-http://deb.debian.org/debian}

# What a guest needs to boot, to have users' sessions, and for the tests.
packages_of_all=systemd-sysv,dbus,dbus-user-session,libpam-systemd,linux-image-cloud-amd64,kmod,udev,uidmap,iproute2,procps
packages_of_all=$packages_of_all,fuse-overlayfs,busybox-static,ca-certificates,slirp4netns,iputils-ping,strace,xz-utils

suite_of() {
    case $1 in
        debian11) echo bullseye ;;
        *) echo trixie ;;
    esac
}

packages_of() {
    case $1 in
        debian11) echo "$packages_of_all" ;;
        # debian13 and apparmor share an image.
        *) echo "$packages_of_all,passt,apparmor" ;;
    esac
}

# image_of GUEST: the beginning of its files' names, which changes with what it is made of.
image_of() {
    sum=$(cat "$top/tests/vm/image.sh" "$top/tests/vm/guest/initrd" "$top/tests/vm/guest/rr-test.service" | sha256sum)
    echo "$cache/$(suite_of "$1")-$(echo "$sum" | cut -c1-12)"
}

# QEMU 7.2, which Debian 12 has, crashes with new kernels; its backports have a newer one.
install_qemu() {
    version=$(qemu-system-x86_64 --version 2>/dev/null | sed -n 's/.* version \([0-9]*\).*/\1/p')
    [ "${version:-0}" -lt 8 ] || return 0
    # shellcheck source=/dev/null
    case $(. /etc/os-release && echo "${VERSION_CODENAME-}") in
        bookworm) ;;
        *)
            install_packages qemu-system-x86
            return
            ;;
    esac
    say "installing qemu-system-x86 from bookworm-backports"
    sources=$(mktemp -d)
    for suite in bookworm bookworm-updates bookworm-backports; do
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
    done >"$sources/list"
    # Lists and choices of its own: the machine's sources stay as they are.
    with_backports() {
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dir::Etc::sourcelist="$sources/list" \
            -o Dir::Etc::sourceparts=- -o APT::Get::List-Cleanup=0 "$@"
    }
    with_backports update
    with_backports install -y --no-install-recommends -t bookworm-backports qemu-system-x86 ipxe-qemu seabios
    rm -r "$sources"
}

# make_image GUEST: its disk, kernel and initial file system, where they are not there yet.
make_image() {
    image=$(image_of "$1")
    [ ! -e "$image.img" ] || return 0
    say "making the image of $1 in $cache (some minutes)"
    mkdir -p "$cache"
    work=$(mktemp -d "${TMPDIR:-/tmp}/rr-image.XXXXXX")
    as_root mmdebstrap --quiet --variant=minbase --mode=root --include="$(packages_of "$1")" \
        --aptopt='APT::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --customize-hook="$top/tests/vm/guest/customize \"\$1\"" \
        "$(suite_of "$1")" "$work/root" "$mirror"
    as_root sh -c 'cp "$1"/boot/vmlinuz-* "$2.kernel" && rm "$1"/boot/initrd.img* 2>/dev/null; chmod 644 "$2.kernel"' \
        sh "$work/root" "$work/image" || true
    make_initrd "$work/root" "$work/image.initrd"
    truncate -s 3G "$work/image.img"
    as_root mke2fs -q -t ext4 -O ^has_journal -d "$work/root" "$work/image.img"
    as_root chmod 644 "$work/image.img"
    mv "$work/image.kernel" "$image.kernel"
    mv "$work/image.initrd" "$image.initrd"
    # Last: it says that all are there.
    mv "$work/image.img" "$image.img"
    as_root rm -rf "$work"
}

# make_initrd ROOT FILE: what finds the disk, which takes less time than Debian's own.
make_initrd() {
    kernel=$(ls "$1/lib/modules")
    tree=$(mktemp -d)
    mkdir "$tree/bin" "$tree/proc" "$tree/dev" "$tree/root" "$tree/modules"
    cp "$1/bin/busybox" "$tree/bin/"
    cp "$top/tests/vm/guest/initrd" "$tree/init"
    number=10
    for module in virtio_pci virtio_blk ext4; do
        as_root chroot "$1" modprobe -S "$kernel" --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
    done | awk '!seen[$0]++' >"$tree/list"
    while read -r file; do
        number=$((number + 1))
        name=$number-$(basename "$file")
        case $name in
            *.xz) xz -dc "$1$file" >"$tree/modules/${name%.xz}" ;;
            *) cp "$1$file" "$tree/modules/$name" ;;
        esac
    done <"$tree/list"
    rm "$tree/list"
    (cd "$tree" && find . | cpio -o -H newc --quiet | gzip -1) >"$2"
    rm -r "$tree"
}
