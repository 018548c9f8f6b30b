#!/usr/bin/env bash
# Installs the Debian packages that a set of targets needs; does nothing when they are all there.
#
# usage: scripts/install_deps.sh run|test|bench|cover [--list]
#
# This is the only place that knows package names: make, .ci/run and the Dockerfile call it. All
# output goes to stderr, so that the caller's stdout stays its own. --list prints the set instead.
set -euo pipefail

run_packages=(
    gcc libc6-dev make cmake ninja-build pkg-config ccache
    librocksdb-dev libuv1-dev node-llhttp libjansson-dev libxxhash-dev libjemalloc-dev libinih-dev
)
test_packages=(
    libcmocka-dev clang clang-14 clang-format clang-tidy libclang-rt-14-dev binutils
    python3 python3-redis redis-server redis-tools libhiredis-dev nodejs npm curl
    strace iproute2 e2fsprogs util-linux mount procps
)
bench_packages=(redis-server redis-tools etcd-server etcd-client python3 procps)
cover_packages=(libcmocka-dev gcovr python3)

usage() {
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

packages=("${run_packages[@]}")
case ${1:-} in
    run) ;;
    test) packages+=("${test_packages[@]}") ;;
    bench) packages+=("${bench_packages[@]}") ;;
    cover) packages+=("${cover_packages[@]}") ;;
    *) usage ;;
esac
if [ "${2:-}" = --list ]; then
    printf '%s\n' "${packages[@]}"
    exit 0
fi

# Prints the packages that are neither installed nor provided by something that is (a nodejs from
# elsewhere brings npm along and conflicts with Debian's).
missing_of() {
    dpkg-query -W -f '${db:Status-Abbrev}|${Package}|${Provides}\n' 2>/dev/null |
        awk -F '|' -v wanted="$*" '
            $1 ~ /^.i/ {
                have[$2] = 1
                count = split($3, names, /, */)
                for (i = 1; i <= count; i++) { sub(/ .*/, "", names[i]); have[names[i]] = 1 }
            }
            END {
                count = split(wanted, names, " ")
                for (i = 1; i <= count; i++) if (!(names[i] in have)) print names[i]
            }'
}

fail() {
    printf 'quorate: %s\n' "$1" >&2
    printf 'quorate: install these yourself, then try again:\n  %s\n' "${missing[*]}" >&2
    exit 1
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    missing=("${packages[@]}")
    fail "this is not a Debian system; its packages cannot be installed from here"
fi
mapfile -t missing < <(missing_of "${packages[@]}")
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || fail "packages are missing; run this as root or with sudo"
    as_root=(sudo)
    [ -t 0 ] || as_root=(sudo -n) # Nobody is there to type a password.
    "${as_root[@]}" true || fail "packages are missing and sudo was refused"
fi

# redis-server and etcd start a daemon when they are installed, on ports that tests and users want.
# policy-rc.d is Debian's way to say no; one that is there already is left alone.
guard=/usr/sbin/policy-rc.d
guard_is_ours=
remove_guard() {
    [ -z "$guard_is_ours" ] || "${as_root[@]}" rm -f "$guard"
}
trap remove_guard EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
if [ ! -e "$guard" ]; then
    guard_is_ours=yes
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$guard" >/dev/null
    "${as_root[@]}" chmod 755 "$guard"
fi

apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" </dev/null >&2
}

printf 'quorate: installing %s packages: %s\n' "${#missing[@]}" "${missing[*]}" >&2
apt update || printf 'quorate: apt-get update failed; trying with the lists at hand\n' >&2
apt install --no-install-recommends "${missing[@]}" || fail "apt-get could not install everything"
