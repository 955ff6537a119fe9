#!/bin/sh
# Installs edge from this archive, without a network: a versioned folder, users, units, udev rules, and the link
# /opt/edge/current. Run again it changes nothing. Settings, keys and readings are never touched.
#
#   sh install.sh [--one-process] [--key RELEASE.pub] [--no-activate]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
options="--one-process --key FILE --no-activate"
way=split key="" is_active=yes
# shellcheck source=install/lib.sh
. "$here/lib.sh"

while [ $# -gt 0 ]; do
    case "$1" in
        --one-process) way=one-process ;;
        --no-activate) is_active=no ;;
        --key)
            [ $# -gt 1 ] || fail E-INS-111 "$1" "$options"
            key=$2
            shift
            ;;
        *) fail E-INS-111 "$1" "$options" ;;
    esac
    shift
done

fact() { # NAME: a line of the file RELEASE
    sed -n "s/^$1=//p" "$here/RELEASE"
}

check_archive() { # every file is as it was made; signed by the key, if one is given
    if [ -n "$key" ]; then
        command -v openssl >/dev/null 2>&1 || fail E-INS-106 "openssl: not found" "$key"
        words=$(openssl pkeyutl -verify -pubin -inkey "$key" -rawin -in "$here/SHA256SUMS" \
            -sigfile "$here/SHA256SUMS.sig" 2>&1) || fail E-INS-106 "$words" "$key"
    fi
    words=$(cd "$here" && sha256sum --check --strict --quiet SHA256SUMS 2>&1) || fail E-INS-105 "$words"
    # Nothing may lie beside what is listed: what is not hashed must not be installed.
    listed=$(sed 's/^[0-9a-f]*  //' "$here/SHA256SUMS" | sort)
    there=$(cd "$here" && find . -type f ! -name 'SHA256SUMS*' | sed 's/^\.\///' | sort)
    [ "$listed" = "$there" ] || fail E-INS-105 "files that are not listed in SHA256SUMS"
}

check_machine() { # 64 bit, the right processor, glibc, a Python that the packages are made for
    machine=$(uname -m) wanted=$(fact arch)
    case "$machine" in
        x86_64 | aarch64) ;;
        armv*l | arm | i?86) fail E-INS-103 "$machine" ;;
    esac
    [ "$machine" = "$wanted" ] || fail E-INS-102 "$machine" "$wanted"
    "$python" -c '' 2>/dev/null || fail E-INS-104 "$python: not found" "$(fact pythons)"
    # A 64-bit kernel with a 32-bit system below it is common on a Raspberry Pi: Python's own word counts.
    bits=$("$python" -c 'import struct; print(struct.calcsize("P") * 8)')
    [ "$bits" = 64 ] || fail E-INS-103 "$machine, Python of $bits bit"
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    case " $(fact pythons) " in *" $version "*) ;; *) fail E-INS-104 "$version" "$(fact pythons)" ;; esac
    libc=$("$python" -c 'import os; print(os.confstr("CS_GNU_LIBC_VERSION") or "")' 2>/dev/null) || libc=""
    "$python" -c 'import sys; a, b = (tuple(map(int, v.split(".")[:2])) for v in sys.argv[1:]); sys.exit(a < b)' \
        "${libc#glibc }" "$(fact glibc)" 2>/dev/null || fail E-INS-107 "${libc:-another one}" "$(fact glibc)"
}

check_systemd() {
    for program in systemctl systemd-sysusers systemd-tmpfiles; do
        command -v "$program" >/dev/null 2>&1 || fail E-INS-109 "$program"
    done
}

unpack() { # the release's own environment; the last file that is written says that it is whole
    share=$release/share/edge
    if [ -e "$release/.whole" ]; then
        cmp -s "$here/SHA256SUMS" "$share/SHA256SUMS" || fail E-INS-108 "$name"
        say "edge $name is there already: $release" "edge $name 已在：$release"
        return 0
    fi
    say "installing edge $name into $release" "正在安装 edge $name 到 $release"
    rm -rf "$release"
    mkdir -p "$share" || fail E-INS-110 "$release" /opt
    "$python" -m venv --without-pip "$release" || fail E-INS-110 "python -m venv" /opt
    wheel "$here"/wheels/pip-*.whl install --require-hashes --requirement "$here/requirements.txt"
    wheel "$here"/wheels/pip-*.whl install --no-deps "$here/wheels/edge-$name-py3-none-any.whl"
    for part in RELEASE SHA256SUMS messages.en messages.zh lib.sh activate.sh uninstall.sh systemd config docs; do
        cp -R "$here/$part" "$share/" || fail E-INS-110 "$share/$part" /opt
    done
    # Nobody but root changes what is installed; everybody may run it.
    chmod -R u=rwX,go=rX "$release"
    sync
    : >"$release/.whole"
}

wheel() { # PIP ARGUMENTS: run the archive's own pip, which asks nobody and takes files of the archive only
    pip=$1
    shift
    PYTHONPATH=$pip "$release/bin/python" -I -c 'import sys; sys.path.insert(0, sys.argv.pop(1)); import runpy; runpy.run_module("pip", run_name="__main__")' \
        "$pip" --isolated --disable-pip-version-check --no-input "$@" --quiet --no-index --find-links "$here/wheels" ||
        fail E-INS-110 "pip" /opt
}

python=${PYTHON:-/usr/bin/python3}
demand_root
check_archive
name=$(fact version)
release=/opt/edge/releases/$name
check_machine
check_systemd
umask 022
unpack
if [ "$is_active" = yes ]; then
    sh "$release/share/edge/activate.sh" "$way"
fi
