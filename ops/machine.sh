# Sourced by ops/up: whether this machine will do, and Debian's packages.

# Enough for the tools, images and data of a new platform; one that exists needs some air.
NEEDED_GB=10
NEEDED_GB_LATER=2

# Packages that come with servers, and the units that Debian would start at boot.
UNITS="mariadb-server:mariadb postgresql-15:postgresql nginx:nginx docker-registry:docker-registry
prometheus:prometheus prometheus-node-exporter:prometheus-node-exporter
docker.io:docker.service docker.io:docker.socket"

check_machine() {
    [ "$(id -u)" = 0 ] || fail "ops/up must run as root." "Run: sudo ops/up"
    local ID='' VERSION_ID='' PRETTY_NAME=unknown place free needed=$NEEDED_GB
    local release=${STUDIO_OS_RELEASE:-/etc/os-release}
    [ ! -r "$release" ] || . "$release"
    [ "$ID $VERSION_ID" = "debian 12" ] ||
        fail "ops/up needs Debian 12 (bookworm); this is $PRETTY_NAME." \
            "Use a Debian 12 machine or virtual machine."
    [ ! -e "$STUDIO_HOME/config.env" ] || needed=$NEEDED_GB_LATER
    for place in "$STUDIO_HOME" "$STUDIO_CACHE"; do
        while [ ! -d "$place" ]; do place=$(dirname "$place"); done
        free=$(df --output=avail -B1G "$place" | tail -n 1 | tr -dc 0-9)
        [ "$free" -ge "$needed" ] ||
            fail "Only $free GB are free below $place; $needed GB are needed." \
                "Free some space, or set STUDIO_HOME and STUDIO_CACHE to folders on another disk."
    done
}

# Installs what is missing, with STUDIO_DEV=1 also what tests need. No server starts by it: the platform starts its own, with its own data.
ensure_packages() {
    local wanted installed missing
    wanted=$(grep -hv '^#' "$CHECKOUT/ops/stack/packages.txt" \
        ${STUDIO_DEV:+"$CHECKOUT/ops/stack/packages-tests.txt"} | sort)
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort)
    missing=$(comm -23 <(echo "$wanted") <(echo "$installed") | xargs)
    [ -n "$missing" ] || return 0
    echo "  Installing Debian packages: $missing"
    local begun=$SECONDS log policy=/usr/sbin/policy-rc.d ours=
    log=$(mktemp)
    if [ ! -e "$policy" ]; then
        ours=$policy
        printf '#!/bin/sh\nexit 101\n' > "$policy"
        chmod 755 "$policy"
    fi
    trap 'rm -f $ours' EXIT
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # a list of words
    if ! { apt-get update -q && apt-get install -q -y --no-install-recommends $missing; } > "$log" 2>&1; then
        tail -n 15 "$log" >&2
        fail "Debian's packages cannot be installed (above is the end of apt's output)." \
            "Check this machine's way to its Debian mirror, then repeat the same command."
    fi
    rm -f $ours "$log"
    trap - EXIT
    disable_units "$missing"
    printf '✓ %-28s %6.1f s\n' "Debian packages" "$((SECONDS - begun))"
}

# Servers that came just now must not start at boot either, beside the platform's own.
disable_units() {
    [ -d /run/systemd/system ] || return 0
    local pair
    for pair in $UNITS; do
        case " $1 " in
            *" ${pair%%:*} "*) systemctl disable --quiet --now "${pair##*:}" 2> /dev/null || true ;;
        esac
    done
}
