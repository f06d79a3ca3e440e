#!/bin/sh
# Says in one line, within a second and before anything is installed, what is missing and what to do.
#
#   check_prerequisites.sh [setup]   what `make setup` and `make demo` need
#   check_prerequisites.sh torch     the same for targets that need PyTorch
#   check_prerequisites.sh tests     the same for all tests; as root on Debian it installs Chromium
#   check_prerequisites.sh python    print the path of the Python 3.11 to use
#   check_prerequisites.sh chromium  print the path of the Chromium to use
#
# What is installed already is not asked for again. PYTHON, JAVA_HOME and CHROMIUM are honoured.
# Plain sh, since neither Python nor the virtual environment can be taken for granted yet.
set -u
cd "$(dirname "$0")/.." || exit 1

# Measured: .venv takes 1.6 GB, with PyTorch 6.8 GB; pip keeps what it fetches, 0.6 and 2.9 GB, in a
# temporary folder until all is installed, and again in its cache.
SETUP_GB=3
TORCH_GB=12
# Flink's two processes may take 3.6 GB (flink_cluster.py); broker and Python need the rest.
MEMORY_GB=4

fail() {
    echo "loudly: $1" >&2
    exit 1
}

check_system() {
    [ "$(uname -s) $(uname -m)" = "Linux x86_64" ] ||
        fail "Linux on x86-64 is needed and this is $(uname -s) on $(uname -m): use such a machine or a container."
    # musl has no wheels of Flink and PyTorch, and Flink starts by scripts for bash.
    getconf GNU_LIBC_VERSION >/dev/null 2>&1 ||
        fail "the GNU C library was not found: use a distribution with glibc 2.28 or later, such as Debian."
    command -v bash >/dev/null || fail "bash was not found: install bash."
    [ -w . ] || fail "$PWD cannot be written to: clone Loudly into a folder of your own."
}

is_python_311() {
    [ "$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = 3.11 ]
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_python_311 "$PYTHON" || fail "PYTHON=$PYTHON is not a working Python 3.11: install Python 3.11 or point PYTHON to one."
        command -v "$PYTHON"
        return
    fi
    for candidate in python3.11 python3 python; do
        if is_python_311 "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    fail "Python 3.11 was not found: install Python 3.11 or set PYTHON to one."
}

check_python() {
    python=$(find_python) || exit 1
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python lacks the modules venv and ensurepip: install them (on Debian the package python3.11-venv)."
}

check_java() {
    java=${JAVA_HOME:+$JAVA_HOME/bin/}java
    version=$("$java" -version 2>&1) ||
        fail "Java 17 was not found ($java does not run): install Java 17 or set JAVA_HOME to one."
    case $version in
        *'version "17'*) ;;
        *) fail "Java 17 is needed and $java is another version: install Java 17 or set JAVA_HOME to one." ;;
    esac
}

check_maven() {
    command -v mvn >/dev/null || fail "Maven was not found (the command mvn): install Maven 3.6 or later."
    said=$(mvn -version 2>&1) ||
        fail "Maven does not run: make \`mvn -version\` work. It says: $(echo "$said" | head -n 1)"
}

check_home() {
    [ -w "${HOME:-}" ] || fail "HOME=${HOME:-} cannot be written to, where Maven keeps what it fetches: set HOME to a folder of your own."
}

check_disk() {
    free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1000000) }')
    [ "$free" -ge "$1" ] ||
        fail "the set-up needs $1 GB of free disk space and $PWD has $free GB: free some, or clone Loudly elsewhere."
}

# A warning: there may be swap, and `make lint` needs less.
check_memory() {
    for limit in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
        [ -r "$limit" ] && cat "$limit"
    done | cat - /proc/meminfo | awk -v needed=$MEMORY_GB '
        /^[0-9]+$/ && (!least || $1 < least) { least = $1 }
        $1 == "MemTotal:" && (!least || $2 * 1024 < least) { least = $2 * 1024 }
        END {
            if (least < needed * 1e9)
                printf "loudly: warning: broker and cluster take %d GB of memory and there are %.1f GB.\n", needed, least / 1e9
        }' >&2
}

is_chromium() {
    # Chromium from a snap does not see files in /tmp, where the tests write theirs.
    case $("$1" --version 2>/dev/null) in
        '' | *snap*) return 1 ;;
    esac
}

find_chromium() {
    if [ -n "${CHROMIUM:-}" ]; then
        is_chromium "$CHROMIUM" && command -v "$CHROMIUM"
        return
    fi
    for candidate in chromium chromium-browser google-chrome google-chrome-stable; do
        if is_chromium "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

is_debian() {
    [ "$(. /etc/os-release 2>/dev/null && echo "${ID:-}")" = debian ]
}

is_root() {
    [ "$(id -u)" = 0 ]
}

APT_INSTALL="apt-get install -y --no-install-recommends chromium"

say_how_to_get_chromium() {
    [ -z "${CHROMIUM:-}" ] || fail "CHROMIUM=$CHROMIUM does not run: point CHROMIUM to Chromium or Chrome."
    is_root && sudo= || sudo='sudo '
    ! is_debian || fail "tests of pages need Chromium: run \`$sudo$APT_INSTALL\`."
    fail "tests of pages need Chromium: install Chromium or Chrome, no snap, or set CHROMIUM to one."
}

install_chromium() {
    echo "Installing Chromium with apt-get (about a minute, once) ..." >&2
    export DEBIAN_FRONTEND=noninteractive
    # The lists of a container image may be missing or old.
    said=$({ apt-get -qq update && apt-get -qq -o DPkg::Lock::Timeout=60 ${APT_INSTALL#apt-get}; } 2>&1) && find_chromium >/dev/null ||
        fail "apt-get could not install Chromium: make \`$APT_INSTALL\` work. It says: $(echo "$said" | tail -n 1)"
}

can_install_chromium() {
    [ -z "${CHROMIUM:-}" ] && is_debian && is_root
}

is_set_up() {
    [ -e .venv/.package-installed ] && [ -e build/jars/.checked ] && .venv/bin/python -c '' 2>/dev/null
}

check_setup() {
    check_system
    check_java
    is_set_up || { check_python; check_maven; check_home; check_disk $SETUP_GB; }
    check_memory
}

check_torch() {
    check_setup
    [ -e .venv/.torch-installed ] || check_disk $TORCH_GB
}

check_tests() {
    find_chromium >/dev/null || can_install_chromium || say_how_to_get_chromium
    check_torch
    find_chromium >/dev/null || install_chromium
}

case ${1:-setup} in
    setup | torch | tests) "check_${1:-setup}" ;;
    python) find_python ;;
    chromium) find_chromium || say_how_to_get_chromium ;;
    *) fail "$1 is not among setup, torch, tests, python and chromium." ;;
esac
