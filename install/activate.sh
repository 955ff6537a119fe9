#!/bin/sh
# Makes the release that this script lies in the one that runs: users, folders, units, udev rules, and in one step the
# link /opt/edge/current. It starts and stops nothing that runs; going back is running the older release's copy of this.
#
#   sh /opt/edge/releases/VERSION/share/edge/activate.sh [split|one-process]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
way=${1:-}
# shellcheck source=install/lib.sh
. "$here/lib.sh"
demand_root
case "$way" in
    split | one-process) ;;
    # As it was, or the two halves.
    "") [ -e /etc/systemd/system/edge.service ] && way="one-process" || way="split" ;;
    *) fail E-INS-111 "$way" "split one-process" ;;
esac
name=$(sed -n 's/^version=//p' "$here/RELEASE")
units=/etc/systemd/system
umask 022

put "$here/systemd/edge.sysusers.conf" /etc/sysusers.d/edge.conf
systemd-sysusers /etc/sysusers.d/edge.conf || fail E-INS-110 systemd-sysusers /etc
# A state directory of an older installation belongs to another user.
if [ -d /var/lib/edge ] && [ "$(stat -c %U:%G /var/lib/edge)" != edge-poll:edge ]; then
    { chown -R edge-poll:edge /var/lib/edge && chmod -R g+rwX /var/lib/edge; } || fail E-INS-110 /var/lib/edge /var
fi
put "$here/systemd/edge.tmpfiles.conf" /etc/tmpfiles.d/edge.conf
systemd-tmpfiles --create /etc/tmpfiles.d/edge.conf || fail E-INS-110 systemd-tmpfiles /etc

for unit in edge-centre.service edge-revive.service edge-revive.timer; do put "$here/systemd/$unit" "$units/$unit"; done
# One of the two ways is there, never both: a name that is there can be started by mistake.
split="edge-poll.service edge-forward.service edge.target" one=edge.service
if [ "$way" = split ]; then keep=$split other=$one target=edge.target; else keep=$one other=$split target=edge.service; fi
for unit in $other; do
    [ ! -e "$units/$unit" ] || { systemctl --quiet --now disable "$unit" && rm -f "$units/$unit"; }
done
for unit in $keep; do put "$here/systemd/$unit" "$units/$unit"; done
put "$here/systemd/70-edge.rules" /etc/udev/rules.d/70-edge.rules

link "releases/$name" /opt/edge/current
mkdir -p /usr/local/bin
link /opt/edge/current/bin/edge /usr/local/bin/edge

if has_systemd; then
    systemctl daemon-reload
    # Adapters that are plugged in already get their names and their low latency, too.
    if udevadm control --reload 2>/dev/null; then
        udevadm trigger --action=add --subsystem-match=usb-serial --subsystem-match=tty || true
    fi
fi
systemctl --quiet enable "$target" edge-revive.timer || fail E-INS-110 "systemctl enable" /etc
if has_systemd; then systemctl start edge-revive.timer; fi

say "edge $name is the current release, as $target" "当前版本为 edge $name，服务为 $target"
if [ -e /etc/edge/batch.key ]; then
    say "next: the key is outside of the closed folder: mv /etc/edge/batch.key /etc/edge/keys/" \
        "下一步：密钥不在受保护目录中：mv /etc/edge/batch.key /etc/edge/keys/"
fi
if [ -e /etc/edge/edge.toml ]; then
    say "next: systemctl restart $target" "下一步：systemctl restart $target"
else
    say "next: edge config init --out /etc/edge/edge.toml ..., edge keys new --config /etc/edge/edge.toml, then" \
        "下一步：edge config init --out /etc/edge/edge.toml ...，edge keys new --config /etc/edge/edge.toml，然后"
    say "      systemctl start $target; all steps: /opt/edge/current/share/edge/docs/operations.md" \
        "      systemctl start $target；全部步骤见 /opt/edge/current/share/edge/docs/operations.md"
fi
