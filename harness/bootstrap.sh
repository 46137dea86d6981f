#!/bin/sh
# What tinygram needs on Debian, found by trying it, and installed when it is missing.
#
#   bootstrap.sh GROUP...            make sure that the groups' needs are there: build report run test lint bench fuzz ci
#   bootstrap.sh --python GROUP...   print the python3 that has the groups' modules
#
# Quiet, and apt is not touched, when everything is there. `build` alone installs nothing: it names the command.
# Exit status: 0 everything is there; 2 usage; 3 something is missing and could not be installed.
set -u

# group, Debian package, how to see that it is there
needs() {
    cat <<'TABLE'
ci     make                command make
ci     git                 command git
build  gcc                 command cc
build  libc6-dev           header stdio.h
build  libxxhash-dev       header xxhash.h
report python3             command python3
report python3-jinja2      module jinja2
report gnuplot-nox         command gnuplot
test   python3-pytest      module pytest
test   python3-jsonschema  module jsonschema
test   python3-hypothesis  module hypothesis
test   python3-scipy       module scipy
test   python3-yaml        module yaml
test   tcpdump             command tcpdump
test   strace              command strace
test   ethtool             command ethtool
test   procps              command sysctl
test   xxhash              command xxh128sum
test   mandoc              command mandoc
test   libxml2-utils       command xmllint
lint   gcc                 command gcc
lint   clang               command clang
lint   clang-format        command clang-format
lint   clang-tidy          command clang-tidy
lint   cppcheck            command cppcheck
lint   flake8              module flake8
lint   mypy                module mypy
lint   shellcheck          command shellcheck
fuzz   clang               command clang
fuzz   libclang-rt-14-dev  runtime fuzzer
TABLE
}

# The groups asked for, with those that they stand on.
widen() {
    for group in "$@"; do
        case $group in
        build | ci) echo "$group" ;;
        report | run) echo build report ;;
        bench) echo build report ;;
        fuzz) echo build fuzz ;;
        test) echo build report test ;;
        lint) echo build report test lint ;;
        *)
            echo "bootstrap.sh: there is no group '$group'; the groups are: build report run test lint bench fuzz ci." >&2
            return 2
            ;;
        esac
    done
}

has_modules() { # has_modules PYTHON MODULE...
    interpreter=$1
    shift
    "$interpreter" -c 'import sys, importlib.util as u; sys.exit(any(u.find_spec(name) is None for name in sys.argv[1:]))' "$@" 2>/dev/null
}

# Debian's modules serve Debian's interpreter, which need not be the first python3 in PATH.
find_python() { # find_python MODULE...
    for candidate in /usr/bin/python3 "$(command -v python3)"; do
        if [ -x "$candidate" ] && has_modules "$candidate" "$@"; then
            echo "$candidate"
            return 0
        fi
    done
    return 1
}

is_there() { # is_there command|header|module NAME
    case $1 in
    command) command -v "$2" || PATH=$PATH:/usr/sbin:/sbin command -v "$2" ;;
    header) echo "#include <$2>" | ${CC:-cc} -E -x c - ;;
    module) has_modules "$python" "$2" ;;
    runtime) find "$(clang -print-runtime-dir)" -name "libclang_rt.$2*.a" | grep . ;;
    esac >/dev/null 2>&1
}

modules_of() { # modules_of GROUP...
    needs | while read -r group _ kind name; do
        case "$kind $* " in "module "*"$group "*) echo "$name" ;; esac
    done
}

missing_packages() { # missing_packages GROUP...
    # shellcheck disable=SC2046
    python=$(find_python $(modules_of "$@")) || python=/usr/bin/python3
    needs | while read -r group package kind name; do
        case " $* " in
        *" $group "*) is_there "$kind" "$name" || echo "$package" ;;
        esac
    done | sort -u | tr '\n' ' '
}

install_packages() { # install_packages COMMAND_PREFIX PACKAGE...
    as_root=$1
    shift
    apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120"
    lists=$(find /var/lib/apt/lists -name '*_Packages*' 2>/dev/null | head -n 1)
    [ -n "$lists" ] || $apt update || return 1
    # shellcheck disable=SC2086
    $apt install -y --no-install-recommends "$@" >/dev/null ||
        { $apt update && $apt install -y --no-install-recommends "$@" >/dev/null; }
}

print_python=no
if [ "${1:-}" = --python ]; then
    print_python=yes
    shift
fi
groups=$(widen "$@") || exit 2
groups=$(echo "$groups" | tr '\n' ' ')

if [ $print_python = yes ]; then
    # shellcheck disable=SC2046,SC2086
    find_python $(modules_of $groups) || echo python3
    exit 0
fi

# shellcheck disable=SC2086
missing=$(missing_packages $groups)
[ -n "$missing" ] || exit 0
command="apt-get install -y --no-install-recommends $missing"

if ! command -v apt-get >/dev/null; then
    echo "tinygram needs what Debian 12 has in these packages, and there is no apt-get here: $missing" >&2
    exit 3
fi
if [ "$groups" = "build " ]; then
    echo "tinygram cannot be built yet. Run as root: $command (make test and make report do so themselves)." >&2
    exit 3
fi
if [ "$(id -u)" = 0 ]; then
    as_root=
elif sudo -n true 2>/dev/null; then
    as_root='sudo -n'
else
    echo "tinygram needs packages that only root can install. Run: sudo $command" >&2
    exit 3
fi

echo "installing: $missing" >&2
# shellcheck disable=SC2086
install_packages "$as_root" $missing
# shellcheck disable=SC2086
missing=$(missing_packages $groups)
[ -z "$missing" ] && exit 0
echo "tinygram could not install what it needs. See what this says, and run make again: $command" >&2
exit 3
