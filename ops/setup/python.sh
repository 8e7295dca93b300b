#!/bin/sh
# The Python environment in .venv: Debian's own python3 (the one Kamailio embeds: compiled wheels must fit both), the locked
# packages with their hashes, and Tierline itself, editable. Does nothing when the lock, the Python and this script are unchanged.
set -eu
cd "$(dirname "$0")/../.."

python=${TIERLINE_PYTHON:-/usr/bin/python3}
say() { printf '  %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

[ -x "$python" ] || fail "$python is missing; run ops/setup/debian.sh"
version=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')
case $version in
  3.11.* | 3.12.* | 3.13.*) ;;
  *) fail "$python is $version; Tierline needs 3.11 to 3.13 (tell another with TIERLINE_PYTHON=...)" ;;
esac

stamp=.venv/tierline.stamp
want=$({ echo "$python $version"; pwd; cat requirements.lock pyproject.toml ops/setup/python.sh; } | sha256sum | cut -d ' ' -f 1)
if [ -x .venv/bin/python ] && [ "$(cat $stamp 2>/dev/null)" = "$want" ]; then say "Python $version environment: all there"; exit 0; fi

began=$(date +%s)
if [ ! -x .venv/bin/python ] || [ "$(.venv/bin/python -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])')" != "$version" ]; then
  say "making .venv with $python ($version)"
  "$python" -m venv --clear .venv
fi

count=$(grep -c '^[a-z0-9].*==' requirements.lock)
say "installing $count locked packages"
pip() { .venv/bin/python -m pip --disable-pip-version-check --no-input "$@"; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
done_=0
{ pip install --require-hashes -r requirements.lock 2>&1; echo "status $?"; } | tee "$log" | while read -r word rest; do
  case $word in
    Collecting) done_=$((done_ + 1)); if [ $((done_ % 10)) = 0 ]; then say "fetched $done_ of $count"; fi ;;
    Installing) say "unpacking" ;;
  esac
done
tail -n 1 "$log" | grep -qx 'status 0' || { tail -n 20 "$log" >&2; fail "pip could not install requirements.lock; its last words are above"; }

pip install --quiet --no-deps --no-build-isolation --editable . || fail "pip could not install Tierline itself"
pip check >/dev/null || fail "the packages in requirements.lock do not fit together; run '.venv/bin/pip check'"
echo "$want" >$stamp
say "Python environment: done in $(($(date +%s) - began)) s"
