#!/bin/sh
# Install Debian packages whose program is missing: apt.sh PACKAGE:PROGRAM...
# Says what it installs; asks nothing; fails with one sentence where there is no apt.
set -eu
missing=
for pair in "$@"; do
    command -v "${pair#*:}" >/dev/null 2>&1 || missing="$missing ${pair%%:*}"
done
[ -z "$missing" ] && exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "please install:$missing (there is no apt-get here to do it)" >&2
    exit 1
fi
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
echo "==> installing Debian packages:$missing"
$sudo apt-get update -qq
# shellcheck disable=SC2086  # a list of words
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
