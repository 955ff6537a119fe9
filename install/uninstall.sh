#!/bin/sh
# Removes the program, its units, rules and links. Settings, keys, readings and users stay, unless told:
#
#   sh /opt/edge/current/share/edge/uninstall.sh [--purge-data]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
is_purged=no
# shellcheck source=install/lib.sh
. "$here/lib.sh"
for option in "$@"; do
    case "$option" in
        --purge-data) is_purged=yes ;;
        *) fail E-INS-111 "$option" "--purge-data" ;;
    esac
done
demand_root
units=/etc/systemd/system

for unit in edge-revive.timer edge.target edge.service edge-poll.service edge-forward.service edge-centre.service \
    edge-revive.service; do
    [ -e "$units/$unit" ] || continue
    if has_systemd; then systemctl stop "$unit" || true; fi
    systemctl --quiet disable "$unit" 2>/dev/null || true
    rm -f "$units/$unit"
done
rm -f /etc/udev/rules.d/70-edge.rules /etc/tmpfiles.d/edge.conf /etc/sysusers.d/edge.conf
[ "$(readlink /usr/local/bin/edge)" != /opt/edge/current/bin/edge ] || rm -f /usr/local/bin/edge
if has_systemd; then
    systemctl daemon-reload
    systemctl reset-failed 'edge*' 2>/dev/null || true
    udevadm control --reload 2>/dev/null || true
fi
if [ "$is_purged" = yes ]; then
    rm -rf /var/lib/edge /var/lib/edge-centre /etc/edge
    for unit in edge edge-poll edge-forward edge-centre; do rm -rf "$units/$unit.service.d"; done
    # A user who still runs something of his own stays, and userdel says so.
    for user in edge-poll edge-forward edge-centre; do
        if id "$user" >/dev/null 2>&1; then userdel "$user" || true; fi
    done
    if getent group edge >/dev/null; then groupdel edge || true; fi
fi
# Last, for this script may lie in it.
rm -rf /opt/edge
if [ "$is_purged" = yes ]; then
    say "edge is removed, with its settings, keys, readings and the ledger of a centre" \
        "edge 已卸载，配置、密钥、读数和主站数据一并删除"
else
    say "edge is removed; settings and keys stay in /etc/edge, readings in /var/lib/edge, a centre in /var/lib/edge-centre" \
        "edge 已卸载；配置和密钥保留在 /etc/edge，读数保留在 /var/lib/edge，主站数据保留在 /var/lib/edge-centre"
fi
