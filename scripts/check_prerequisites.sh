#!/bin/sh
# Says in one line what is missing before anything is installed, and prints the path of the
# Python 3.11 to use on standard output. PYTHON and JAVA_HOME are honoured.
# Plain sh, since neither Python nor the virtual environment can be taken for granted yet.
set -u

fail() {
    echo "loudly: $1" >&2
    exit 1
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

check_venv_module() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$1 lacks the modules venv and ensurepip: install them (on Debian the package python3.11-venv)."
}

check_java() {
    java=${JAVA_HOME:+$JAVA_HOME/bin/}java
    version=$("$java" -version 2>&1) ||
        fail "Java 17 was not found ($java does not run): install a JDK 17 or set JAVA_HOME to one."
    case $version in
        *'version "17'*) ;;
        *) fail "Java 17 is needed and $java is another version: install a JDK 17 or set JAVA_HOME to one." ;;
    esac
}

check_maven() {
    mvn -version >/dev/null 2>&1 ||
        fail "Maven was not found (mvn does not run): install Maven 3.6 or later."
}

python=$(find_python) || exit 1
check_venv_module "$python"
check_java
check_maven
echo "$python"
