#!/bin/sh
# Install the Debian packages Tierline needs. As root, or through sudo. Says what it does; does nothing when all is there.
# None of the stock services (kamailio, rtpengine, redis-server, postgresql, prometheus) is started, now or at the next boot:
# a centre runs its own.
set -eu

packages="
  ca-certificates tzdata python3 python3-venv procps iproute2 iptables nftables lsof openssl
  kamailio kamailio-extra-modules kamailio-json-modules kamailio-python3-modules kamailio-redis-modules
  kamailio-tls-modules kamailio-websocket-modules
  rtpengine-daemon redis-server postgresql prometheus
  espeak-ng sox sip-tester baresip baresip-core tshark chromium fonts-wqy-zenhei
"
services="kamailio rtpengine-daemon rtpengine redis-server postgresql prometheus"
daemons="kamailio rtpengine redis-server postgres prometheus"

say() { printf '  %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

command -v dpkg-query >/dev/null || fail "this is no Debian; install by hand what 'packages' in ops/setup/debian.sh lists"
missing=""
for package in $packages; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing="$missing $package"
done
if [ -z "$missing" ]; then say "Debian packages: all there"; exit 0; fi

root=""
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || fail "run as root: apt-get install --no-install-recommends$missing"
  root=sudo
  say "asking sudo for the right to install Debian packages"
  sudo -v || fail "without root: ask somebody to run apt-get install --no-install-recommends$missing"
fi

work=$(mktemp -d)
policy=/usr/sbin/policy-rc.d
ours=no
tidy() {
  if [ "$ours" = yes ]; then $root rm -f "$policy"; fi
  rm -rf "$work"
}
trap tidy EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Daemons whose parent is init: what a package started would be one of them.
stock() {
  for comm in /proc/[0-9]*/comm; do
    folder=${comm%/comm}
    name=$(cat "$comm" 2>/dev/null) || continue
    parent=$(sed -n 's/^PPid:[[:space:]]*//p' "$folder/status" 2>/dev/null) || continue
    for daemon in $daemons; do
      if [ "$name" = "$daemon" ] && [ "$parent" = 1 ]; then echo "${folder#/proc/} $name"; fi
    done
  done | sort
}

# Run apt-get, show how far it is (one line a tenth; apt's own words go to a log).
apt() {
  label=$1; shift
  began=$(date +%s)
  { { $root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 -o APT::Status-Fd=3 "$@" 3>&1 >"$work/log" 2>&1 </dev/null
      echo $? >"$work/status"; } |
    while IFS=: read -r kind _ percent _; do
      tenth=${percent%%.*}; tenth=$((${tenth:-0} / 10))
      if [ "$kind $tenth" != "${shown:-}" ]; then
        shown="$kind $tenth"
        case $kind in
          dlstatus) say "$label: downloading $tenth/10" ;;
          pmstatus) say "$label: installing $tenth/10" ;;
        esac
      fi
    done; }
  if [ "$(cat "$work/status")" != 0 ]; then tail -n 25 "$work/log" >&2; fail "$label failed; the lines above are apt's last words"; fi
  say "$label: done in $(($(date +%s) - began)) s"
}

say "Debian packages to install:$missing"
stock >"$work/before"
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$work/policy"
  $root install -m 755 "$work/policy" "$policy"
  ours=yes
fi
apt "package lists" update
# shellcheck disable=SC2086
apt "packages" install --no-install-recommends $missing

for service in $services; do
  case " $missing " in *" $service "*) ;; *) continue ;; esac
  if command -v systemctl >/dev/null; then $root systemctl --quiet disable "$service" >/dev/null 2>&1 || true; fi
done

stock >"$work/after"
started=$(comm -13 "$work/before" "$work/after" | tr '\n' ' ')
[ -z "$started" ] || fail "packages started daemons of their own: $started- stop them (systemctl stop NAME) and run this again"
say "no stock service was started"
