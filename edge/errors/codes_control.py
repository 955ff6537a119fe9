"""Codes of the control socket."""

from edge.errors.shape import Codes

_ASK = "edge read --help and edge meters --help show what can be asked"
_ASK_ZH = "用 edge read --help 和 edge meters --help 查看可执行的请求"

CODES: Codes = {
    "E-CTL-101": (
        ("the request is not understood: {detail}", "the line is no JSON object, or too long", _ASK),
        ("无法理解请求：{detail}", "该行不是 JSON 对象，或过长", _ASK_ZH),
    ),
    "E-CTL-102": (
        ('job "{job}" is not known', "command and daemon are of different versions", "restart the daemon"),
        ("未知的任务“{job}”", "命令与守护进程版本不同", "重启守护进程"),
    ),
    "E-CTL-103": (
        ('the field "{field}" cannot be used as given', "wrong type or too many values", _ASK),
        ("字段“{field}”无法使用", "类型错误或数量过多", _ASK_ZH),
    ),
    "E-CTL-104": (
        (
            'item "{item}" is not known',
            "a typing mistake, or a quantity that this version does not have",
            "docs/quantities.md lists the keys; an identifier is written di:00010000",
        ),
        ("未知的数据项“{item}”", "拼写错误，或本版本没有该量", "docs/quantities.md 列出全部键；标识写作 di:00010000"),
    ),
    "E-CTL-105": (
        (
            'address "{address}" is not 12 digits',
            "leading zeros are missing, or it is no meter address",
            "copy the 12 digits from the nameplate, zeros included",
        ),
        ("地址“{address}”不是 12 位数字", "缺少前导零，或不是电表地址", "按铭牌抄写 12 位数字，包括零"),
    ),
    "E-CTL-106": (
        (
            "this user may not ask the daemon",
            "neither root, nor the daemon's user, nor in its group",
            "sudo, or ask the administrator to add this user to the daemon's group",
        ),
        (
            "当前用户无权请求守护进程",
            "不是 root、守护进程用户或同组用户",
            "使用 sudo，或请管理员把用户加入守护进程的组",
        ),
    ),
    "E-CTL-107": (
        (
            "too many commands ask the daemon at once (at most {count})",
            "commands left running in other terminals",
            "end one of them and try again",
        ),
        ("同时请求守护进程的命令过多（最多 {count} 个）", "其他终端仍有命令在运行", "结束其中一个后重试"),
    ),
    "E-CTL-108": (
        (
            "the control socket {path} cannot be made: {detail}",
            "the state directory is missing, read-only, of another user, or its path is too long",
            "check state_dir in edge.toml and who owns it",
        ),
        (
            "无法创建控制套接字 {path}：{detail}",
            "状态目录不存在、只读、属于其他用户，或路径过长",
            "检查 edge.toml 中的 state_dir 及其属主",
        ),
    ),
    "E-CTL-109": (
        (
            "another daemon already serves {path}",
            "edge runs already with these settings",
            "systemctl status 'edge*'; stop the other one first",
        ),
        ("已有另一个守护进程使用 {path}", "edge 已用这份配置运行", "systemctl status 'edge*'；先停止另一个"),
    ),
    "E-CTL-110": (
        (
            "no daemon answers at {path}: {detail}",
            "the daemon does not run, or runs with other settings",
            "systemctl status 'edge*'; or give the daemon's settings with --config",
        ),
        (
            "{path} 没有守护进程应答：{detail}",
            "守护进程未运行，或使用了其他配置",
            "systemctl status 'edge*'；或用 --config 指定守护进程的配置",
        ),
    ),
    "E-CTL-111": (
        (
            "the daemon fell silent at {path}: {detail}",
            "it was stopped or restarted in the middle of the job",
            "try again; then edge status",
        ),
        ("守护进程在 {path} 失去响应：{detail}", "任务执行中被停止或重启", "重试，然后运行 edge status"),
    ),
    "E-CTL-112": (
        (
            "no meter {meter} in the register, and no bus was named",
            "the meter was not added, or the address is mistyped",
            "edge meters list; or name the bus with --bus",
        ),
        ("电表档案中没有电表 {meter}，也未指定总线", "未添加该表，或地址输错", "edge meters list；或用 --bus 指定总线"),
    ),
    "E-CTL-113": (
        ('there is no bus "{bus}"', "the name differs from edge.toml", "use one of: {known}"),
        ("没有总线“{bus}”", "名称与 edge.toml 不符", "可用：{known}"),
    ),
    "E-CTL-115": (
        (
            "the daemon could not do the job: {detail}",
            "a defect of this program; the daemon goes on",
            "send the lines around it in the daemon's log to the makers: journalctl -u 'edge*'",
        ),
        (
            "守护进程未能完成任务：{detail}",
            "程序缺陷；守护进程继续运行",
            "把守护进程日志中的相关行发给开发者：journalctl -u 'edge*'",
        ),
    ),
    "E-CTL-114": (
        (
            "this process does not do that job: {job}",
            "polling and forwarding run as two processes; the other one does it",
            "use the command without naming a socket",
        ),
        ("本进程不处理该任务：{job}", "抄读与转发分为两个进程，由另一个处理", "使用命令时不要指定套接字"),
    ),
}
