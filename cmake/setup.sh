#!/usr/bin/env bash
# Brings a bare Debian 12 to the point where the project configures: apt packages, then .venv/ with the
# pinned wheels. Idempotent: what is there already is skipped. Called by the Makefile.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '[setup] %s\n' "$*"; }

missing_packages() {
  local package
  grep -v '^#' cmake/apt-packages.txt | while read -r package; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || echo "$package"
  done
}

install_packages() {
  local missing sudo=
  missing=$(missing_packages | tr '\n' ' ')
  [ -n "$missing" ] || { say "apt packages: all present"; return; }
  if [ "$(id -u)" != 0 ]; then
    if sudo -n true 2>/dev/null; then sudo=sudo; else
      say "these packages are missing and need root; run this line, then make again:"
      say "  sudo apt-get install -y --no-install-recommends $missing"
      exit 1
    fi
  fi
  say "installing apt packages (about a minute): $missing"
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

install_wheels() {
  if cmp -s cmake/requirements.txt .venv/.requirements; then say "python wheels: all present"; return; fi
  say "creating .venv with the pinned wheels (about 70 s, 5 GB)"
  python3 -m venv .venv
  .venv/bin/pip install --quiet --disable-pip-version-check -r cmake/requirements.txt
  cp cmake/requirements.txt .venv/.requirements
}

start=$(date +%s)
install_packages
install_wheels
say "done in $(($(date +%s) - start)) s"
