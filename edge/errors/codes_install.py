"""Codes of the installer: `install/*.sh` prints them from a list that `make bundle` writes into the archive."""

from edge.errors.shape import Codes

CODES: Codes = {
    "E-INS-101": (
        ("only root can do this", "users, units and folders of the system are changed", "sudo sh {found}"),
        ("需要 root 权限", "要修改系统的用户、服务单元和目录", "sudo sh {found}"),
    ),
    "E-INS-102": (
        (
            "this machine is {found}, the archive is for {wanted}",
            "the programs inside are made for one kind of processor",
            "take the archive whose name ends in {found}",
        ),
        ("本机为 {found}，安装包适用于 {wanted}", "包内程序只适用于一种处理器", "改用名称以 {found} 结尾的安装包"),
    ),
    "E-INS-103": (
        (
            "a 32-bit system ({found}) cannot run edge",
            "what signs the batches has no ready package for 32 bit, and time ends there in 2038",
            "install the 64-bit image of the system; a Raspberry Pi 3 or newer runs it",
        ),
        (
            "32 位系统（{found}）无法运行 edge",
            "批次签名所用的软件包没有 32 位版本，且 32 位时间到 2038 年为止",
            "安装 64 位系统镜像；树莓派 3 及以上均可运行",
        ),
    ),
    "E-INS-104": (
        (
            "Python here is {found}, the archive carries packages for {wanted}",
            "compiled packages fit one version of Python each",
            "install one of {wanted} (Debian 12 has 3.11, Debian 13 has 3.13), or name it: PYTHON=/usr/bin/python3.11",
        ),
        (
            "本机 Python 为 {found}，安装包内为 {wanted}",
            "编译过的软件包各对应一个 Python 版本",
            "安装 {wanted} 之一（Debian 12 为 3.11，Debian 13 为 3.13），或指定：PYTHON=/usr/bin/python3.11",
        ),
    ),
    "E-INS-105": (
        (
            "the archive is not as it was made: {found}",
            "it was damaged on its way, or somebody changed it",
            "copy it again and compare its SHA-256 with the one that came with the release",
        ),
        ("安装包与发布时不一致：{found}", "传输中损坏，或被人改动", "重新复制，并与发布时的 SHA-256 比对"),
    ),
    "E-INS-106": (
        (
            "the signature of the archive cannot be confirmed: {found}",
            "it was signed by another key or not at all, it was changed, or `openssl` is not there",
            "compare the key {wanted} with the publisher's; apt install openssl; do not install before it is confirmed",
        ),
        (
            "无法确认安装包的签名：{found}",
            "由其他密钥签名、未签名、被改动，或缺少 openssl",
            "与发布者核对密钥 {wanted}；apt install openssl；确认之前不要安装",
        ),
    ),
    "E-INS-107": (
        (
            "the C library is {found}, glibc {wanted} or newer is needed",
            "this is another or an older Linux than the packages are made for",
            "use Debian 12 or newer, or a relative of it, 64 bit",
        ),
        (
            "C 库为 {found}，需要 glibc {wanted} 或更高",
            "系统与软件包不配，或版本过旧",
            "使用 64 位 Debian 12 或更高版本及其衍生系统",
        ),
    ),
    "E-INS-108": (
        (
            "edge {found} is installed already, with other content",
            "two archives carry the same version; a running service must not be changed under its feet",
            "give the new one a version of its own; or remove the old one first: sh uninstall.sh (data stays)",
        ),
        (
            "edge {found} 已安装，但内容不同",
            "两个安装包版本号相同；不能在服务运行时替换其文件",
            "为新包使用新版本号；或先卸载旧版：sh uninstall.sh（保留数据）",
        ),
    ),
    "E-INS-109": (
        (
            "{found} is not there",
            "edge is installed as services of systemd",
            "use a system with systemd; apt install systemd udev",
        ),
        ("缺少 {found}", "edge 以 systemd 服务方式安装", "使用带 systemd 的系统；apt install systemd udev"),
    ),
    "E-INS-110": (
        (
            "a step failed: {found}",
            "the disk is full or may not be written, or the system refused it; its own words stand above",
            "free {wanted}, then run this again: it goes on where it stopped",
        ),
        ("步骤失败：{found}", "磁盘已满或不可写，或系统拒绝；原文见上", "清理 {wanted} 后重新运行，会从中断处继续"),
    ),
    "E-INS-111": (
        ("no such option: {found}", "it is mistyped, or of another version", "options: {wanted}"),
        ("没有此选项：{found}", "拼写有误，或属于其他版本", "可用选项：{wanted}"),
    ),
}
