# Sourced by the other scripts: programs they need, installed from the distribution where they are missing.

# say WORDS… : a line to stderr; stdout belongs to what the scripts run.
say() { printf '%s\n' "$*" >&2; }

# missing NAME:PACKAGE… : the packages of the programs or files that are not there.
missing() {
    local item
    for item in "$@"; do
        case ${item%%:*} in
            /*) [ -e "${item%%:*}" ] || printf '%s\n' "${item##*:}" ;;
            *) PATH=$PATH:/usr/sbin:/sbin command -v "${item%%:*}" >/dev/null || printf '%s\n' "${item##*:}" ;;
        esac
    done | sort -u
}

# need NAME:PACKAGE… : installs what is missing; false, with the command to run, where that cannot be done.
need() {
    local packages as_root=()
    packages=$(missing "$@" | tr '\n' ' ')
    [ -z "$packages" ] && return 0
    if ! command -v apt-get >/dev/null; then
        say "missing: $packages- please install them; this machine has no apt-get"
        return 1
    fi
    if [ "$(id -u)" != 0 ]; then
        if ! sudo -n true 2>/dev/null; then
            say "missing; run: sudo apt-get install $packages"
            return 1
        fi
        as_root=(sudo -n env DEBIAN_FRONTEND=noninteractive)
    fi
    say "installing $packages"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    "${as_root[@]}" apt-get install -y -q --no-install-recommends $packages >&2 </dev/null ||
        { "${as_root[@]}" apt-get update -q >&2 && "${as_root[@]}" apt-get install -y -q --no-install-recommends $packages >&2 </dev/null; }
    # A package may be there although its service did not start (a port in use, no init): only the programs matter.
    packages=$(missing "$@" | tr '\n' ' ')
    [ -z "$packages" ] && return 0
    say "could not install $packages"
    return 1
}
