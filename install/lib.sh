# What the installer's scripts share; read by them with `.`, never run. POSIX sh.
# shellcheck shell=sh disable=SC2154
# `here`: the folder of the archive, or of the installed copy.

case "${EDGE_LANG:-${LC_ALL:-${LC_MESSAGES:-${LANG:-}}}}" in zh*) lang=zh ;; *) lang=en ;; esac

say() { # ENGLISH CHINESE: a line of progress
    if [ "$lang" = zh ]; then echo "$2"; else echo "$1"; fi
}

fail() { # CODE FOUND [WANTED]: say what is wrong, why, and what to do; end with code 9
    line=$(sed -n "s/^$1	//p" "$here/messages.$lang" 2>/dev/null || true)
    found=$(escape "${2:-}")
    wanted=$(escape "${3:-}")
    line=$(printf '%s' "${line:-{found\}	{wanted\}	}" | sed -e "s/{found}/$found/g" -e "s/{wanted}/$wanted/g")
    IFS='	' read -r fact cause advice <<END
$line
END
    echo "error[$1]: $fact" >&2
    say "  cause: $cause" "  原因: $cause" >&2
    say "  next : $advice" "  处理: $advice" >&2
    exit 9
}

escape() { # TEXT: for the right side of sed's s///
    printf '%s' "$1" | tr '\n\t' '  ' | sed -e 's/[\\/&]/\\&/g'
}

demand_root() {
    [ "$(id -u)" = 0 ] || fail E-INS-101 "$0"
}

put() { # FILE TARGET: written aside, then renamed; nothing is done if it is the same already
    if cmp -s "$1" "$2"; then return 0; fi
    { mkdir -p "${2%/*}" && cp "$1" "$2.new" && chmod 644 "$2.new" && mv -f "$2.new" "$2"; } ||
        fail E-INS-110 "$2" "${2%/*}"
}

link() { # TARGET NAME: a symbolic link, changed in one step; nothing is done if it is the same already
    if [ "$(readlink "$2")" = "$1" ]; then return 0; fi
    { ln -sfn "$1" "$2.new" && mv -fT "$2.new" "$2"; } || fail E-INS-110 "$2" "${2%/*}"
}

has_systemd() { # is systemd running this machine? Not in a container or image that is only being built
    [ -d /run/systemd/system ]
}
