# Sourced by what is in ops to be run: the locked Python environment of this checkout.
# Sets CHECKOUT, STUDIO_HOME, STUDIO_CACHE and PYTHON, and defines the functions below.

CHECKOUT=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
export STUDIO_HOME=${STUDIO_HOME:-/var/lib/fun-ai-studio}
SYSTEM_PYTHON=/usr/bin/python3

fail() {
    printf '\n%s\n%s\n' "$1" "${2:-}" >&2
    exit 1
}

# What ops/up was told about the cache is kept beside the data (see ops/stack/config.py).
if [ -z "${STUDIO_CACHE:-}" ] && [ -r "$STUDIO_HOME/config.env" ]; then
    STUDIO_CACHE=$(sed -n "s/^STUDIO_CACHE='\(.*\)'\$/\1/p" "$STUDIO_HOME/config.env")
fi
STUDIO_CACHE=${STUDIO_CACHE:-/var/cache/fun-ai-studio}

# One environment a lock file, outside the checkout; the code itself runs from the checkout.
ENVIRONMENT=venv-$(sha256sum "$CHECKOUT/uv.lock" | cut -c1-16)${STUDIO_DEV:+-dev}

writable() {
    local place=$1
    while [ ! -e "$place" ]; do place=$(dirname "$place"); done
    [ -d "$place" ] && [ -w "$place" ]
}

# Whoever only uses the command line takes root's environment where there is one, else makes their own.
if [ "$(id -u)" != 0 ] && [ ! -e "$STUDIO_CACHE/$ENVIRONMENT/.complete" ] && ! writable "$STUDIO_CACHE"; then
    STUDIO_CACHE=${XDG_CACHE_HOME:-~/.cache}/fun-ai-studio
fi
export STUDIO_CACHE
VENV=$STUDIO_CACHE/$ENVIRONMENT
PYTHON=$VENV/bin/python
export PYTHONPATH=$CHECKOUT PYTHONSAFEPATH=1
# Where it is set, as in many images, each process compiles all that it imports, and the control worker
# the workflows' source for each one that it begins.
unset PYTHONDONTWRITEBYTECODE

find_uv() {
    UV=$(command -v uv || true)
    [ -n "$UV" ] && "$UV" --version > /dev/null 2>&1 && return
    UV=$STUDIO_CACHE/uv/bin/uv
    [ -x "$UV" ] && return
    rm -rf "$STUDIO_CACHE/uv"
    "$SYSTEM_PYTHON" -m venv "$STUDIO_CACHE/uv" >&2 ||
        fail "No Python environment can be made in $STUDIO_CACHE (above is why)." \
            "Debian has what it takes in a package: apt-get install python3-venv. Or put uv on PATH."
    "$STUDIO_CACHE/uv/bin/pip" install --quiet --disable-pip-version-check uv ||
        fail "uv cannot be installed from the Python package index." \
            "Check this machine's way to it (proxy, PIP_INDEX_URL), or put uv on PATH."
}

# STUDIO_DEV=1 adds what the tests need.
ensure_python() {
    [ -e "$VENV/.complete" ] && return
    local groups=--no-dev begun=$SECONDS
    echo "  Making the Python environment" >&2
    find_uv
    [ -z "${STUDIO_DEV:-}" ] || groups="--group dev"
    UV_PYTHON=$SYSTEM_PYTHON UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=$VENV UV_LINK_MODE=copy \
        UV_COMPILE_BYTECODE=1 "$UV" sync --project "$CHECKOUT" --frozen --no-install-project --quiet $groups ||
        fail "The Python environment cannot be made in $VENV (above is why)." \
            "Its place must be writable and the Python package index reachable; then repeat this."
    touch "$VENV/.complete"
    printf '✓ %-28s %6.1f s\n' "Python environment" "$((SECONDS - begun))" >&2
}
