# Shell functions that contrib/quickstart and contrib/test share: what a fresh Debian machine lacks.
# Sourced, never run. Every change to the machine is said before it is made.
# shellcheck shell=sh

: "${top:?must be the root of the repository}"
# The oldest Rust that builds rr: `rust-version` in Cargo.toml.
rust_needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$top/Cargo.toml")

say() { printf '\n== %s\n' "$*"; }
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Whether `as_root` can work. Decided once: sudo may ask for a password then.
find_root() {
    if [ "$(id -u)" = 0 ]; then
        root=itself
    elif command -v sudo >/dev/null && sudo -v; then
        root=sudo
    else
        root=
    fi
}

as_root() {
    case $root in
        itself) "$@" ;;
        sudo) sudo "$@" ;;
        *) die "neither root nor sudo here, and this is needed: $*" ;;
    esac
}

# install_packages NAME…: installs those that are missing, and says so; nothing where all are there.
install_packages() {
    missing=
    for package in "$@"; do
        case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
            *'ok installed') ;;
            *) missing="$missing $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || die "no apt-get here; please install by hand what these Debian packages have:$missing"
    say "installing Debian packages:$missing"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
    # shellcheck disable=SC2086 # the list is words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
}

# Makes `cargo` a Rust that is new enough, or says how to get one.
find_rust() {
    [ -d "$HOME/.cargo/bin" ] && PATH="$HOME/.cargo/bin:$PATH"
    rust_is_new_enough && return
    if ! command -v rustup >/dev/null && [ -n "$root" ]; then
        say "looking for a rustup package"
        as_root apt-get update -q
        # Debian 13 and later have one (`none` is what apt-cache prints for the others).
        if apt-cache policy rustup | grep -q '^  Candidate: [0-9]'; then install_packages rustup; fi
    fi
    if command -v rustup >/dev/null; then
        say "installing the stable Rust toolchain with rustup"
        rustup toolchain install stable --profile minimal
        rustup default stable
        rust_is_new_enough && return
    fi
    die "building rr needs Rust $rust_needed or newer; this Debian has no such package. Install it for your user with
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal
and run this again. (curl: apt install curl ca-certificates)"
}

rust_is_new_enough() {
    have=$(cargo --version 2>/dev/null | cut -d' ' -f2) || return 1
    [ -n "$have" ] && [ "$(printf '%s\n' "$rust_needed" "$have" | sort -V | head -n 1)" = "$rust_needed" ]
}

# find_release_target: sets $target to what a release binary is built for. One of musl starts faster
# (docs/decisions/0023-release-binaries-for-musl.md); one of the host's own C library works as well.
find_release_target() {
    target=$(rustc -vV | sed -n 's/^host: //p')
    musl=${target%-*}-musl
    if command -v musl-gcc >/dev/null && command -v rustup >/dev/null && rustup -q target add "$musl"; then
        target=$musl
    else
        say "rustup cannot add $musl: building for $target, whose binary starts later"
    fi
}

# make_user NAME: an unprivileged user with a home and subordinate ids.
make_user() {
    if ! getent passwd "$1" >/dev/null; then
        say "creating the unprivileged user $1"
        as_root useradd --create-home --shell /bin/sh "$1"
    fi
    give_subordinate_ids "$1"
}

# give_subordinate_ids NAME: 65536 of them after all ranges given so far (subuid(5)), where NAME has none.
give_subordinate_ids() {
    if grep -Eqs "^($1|$(id -u "$1")):" /etc/subuid && grep -Eqs "^($1|$(id -u "$1")):" /etc/subgid; then
        return
    fi
    first=$(cat /etc/subuid /etc/subgid 2>/dev/null |
        awk -F: 'BEGIN { next_free = 100000 } $2 + $3 > next_free { next_free = $2 + $3 } END { print next_free }')
    say "giving $1 the subordinate ids $first-$((first + 65535))"
    as_root usermod --add-subuids "$first-$((first + 65535))" --add-subgids "$first-$((first + 65535))" "$1"
}

# make_device PATH MAJOR MINOR MODULE: a character device that everybody may open.
make_device() {
    if [ ! -e "$1" ]; then
        say "making $1"
        # Where it is built in or modules are not ours to load, mknod and the tests show whether it works.
        as_root modprobe "$4" 2>/dev/null || true
        as_root mkdir -p "${1%/*}"
        [ -e "$1" ] || as_root mknod "$1" c "$2" "$3" || true
    fi
    if [ -e "$1" ] && [ "$(stat -c %a "$1")" != 666 ]; then
        say "opening $1 to everybody: chmod 666"
        as_root chmod 666 "$1"
    fi
}

# copy_to_stage DIRECTORY: what running the tests takes, for a user who perhaps cannot enter the checkout. What cargo said
# about its artifacts is in $stage/messages.
copy_to_stage() {
    chmod 755 "$1"
    mkdir "$1/tests" "$1/bin" "$1/source"
    jq -r 'select(.reason == "compiler-artifact" and .executable and .profile.test) | .executable' "$stage/messages" |
        while read -r file; do cp "$file" "$1/tests/"; done
    jq -r 'select(.reason == "compiler-artifact" and .executable and (.profile.test | not)) | .executable' "$stage/messages" |
        while read -r file; do cp "$file" "$1/bin/"; done
    [ -n "$(ls "$1/tests")" ] || die "cargo built no test"
    tar -c --exclude=./target --exclude=./.git --exclude=./contrib/fuzz/target . | tar -x -C "$1/source"
    images=${RR_TEST_IMAGES:-$top/../shared/images}
    if [ -d "$images" ]; then
        mkdir "$1/images"
        cp "$images"/*.oci.tar "$1/images/"
    fi
    chmod -R a+rX "$1"
}
