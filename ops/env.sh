# Sourced by ops/up, ops/down and ops/studio: the locked Python environment of this checkout.
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
export STUDIO_CACHE=${STUDIO_CACHE:-/var/cache/fun-ai-studio}

# One environment a lock file, outside the checkout; the code itself runs from the checkout.
VENV=$STUDIO_CACHE/venv-$(sha256sum "$CHECKOUT/uv.lock" | cut -c1-16)${STUDIO_DEV:+-dev}
PYTHON=$VENV/bin/python
export PYTHONPATH=$CHECKOUT PYTHONSAFEPATH=1

find_uv() {
    UV=$(command -v uv || true)
    [ -n "$UV" ] && "$UV" --version > /dev/null 2>&1 && return
    UV=$STUDIO_CACHE/uv/bin/uv
    [ -x "$UV" ] && return
    rm -rf "$STUDIO_CACHE/uv"
    "$SYSTEM_PYTHON" -m venv "$STUDIO_CACHE/uv"
    "$STUDIO_CACHE/uv/bin/pip" install --quiet --disable-pip-version-check uv ||
        fail "uv cannot be installed from the Python package index." \
            "Check this machine's way to it (proxy, PIP_INDEX_URL), or put uv on PATH."
}

# STUDIO_DEV=1 adds what the tests need.
ensure_python() {
    [ -e "$VENV/.complete" ] && return
    local groups=--no-dev begun=$SECONDS
    echo "  Making the Python environment"
    find_uv
    [ -z "${STUDIO_DEV:-}" ] || groups="--group dev"
    UV_PYTHON=$SYSTEM_PYTHON UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=$VENV UV_LINK_MODE=copy \
        "$UV" sync --project "$CHECKOUT" --frozen --no-install-project --quiet $groups ||
        fail "The Python environment cannot be made." \
            "The Python package index must be reachable; repeat the same command after that."
    touch "$VENV/.complete"
    printf '✓ %-28s %6.1f s\n' "Python environment" "$((SECONDS - begun))"
}
