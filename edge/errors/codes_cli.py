"""Codes of the command line."""

from edge.errors.shape import Codes

CODES: Codes = {
    "E-CLI-101": (
        (
            "no bus to read from",
            "neither a port nor a settings file with a bus was given",
            "give --port /dev/..., or --config edge.toml",
        ),
        ("没有可用的总线", "既未给出端口，也没有带总线的配置文件", "用 --port /dev/... 或 --config edge.toml"),
    ),
    "E-CLI-102": (
        ("more than one bus: {known}", "the settings hold several and none was named", "name one with --bus"),
        ("有多条总线：{known}", "配置中有多条总线而未指定", "用 --bus 指定一条"),
    ),
    "E-CLI-103": (
        (
            "{items} cannot be read from {meter}",
            "this meter's protocol has no identifier for it",
            "use another item, or the identifier itself as di:00010000",
        ),
        ("无法从 {meter} 读取 {items}", "该表的规约没有对应标识", "改用其他数据项，或直接写标识 di:00010000"),
    ),
    "E-CLI-104": (
        (
            "the range {span} cannot be scanned",
            "its end lies before its start, or it holds more than {count} addresses",
            "give FIRST-LAST with the smaller address first, in pieces of at most {count}",
        ),
        ("无法扫描范围 {span}", "终点在起点之前，或多于 {count} 个地址", "写作 起始-结束，每段不超过 {count} 个"),
    ),
    "E-CLI-105": (
        (
            "the state directory {path} cannot be used: {detail}",
            "it belongs to another user, lies on a disk that may not be written, or its path is mistyped",
            "run it as the user of the service: sudo -u edge ...; or sudo chown edge {path}; or correct state_dir",
        ),
        (
            "无法使用状态目录 {path}：{detail}",
            "目录属于其他用户、所在磁盘不可写，或路径写错",
            "以服务用户运行（sudo -u edge），或 sudo chown edge {path}；或改正 state_dir",
        ),
    ),
    "E-CLI-109": (
        (
            "{options}: not while the daemon runs",
            "the daemon has the port and reads with the line settings of edge.toml",
            "leave {options} out; or stop the daemon (systemctl stop edge) and try again",
        ),
        (
            "守护进程运行时不能使用 {options}",
            "端口由守护进程占用，按 edge.toml 中的线路设置抄读",
            "去掉 {options}；或先停止守护进程（systemctl stop edge）再试",
        ),
    ),
    "E-CLI-301": (
        (
            "no frame to explain",
            "neither an argument nor anything on standard input",
            "give the frame in hex: edge explain 68...16, or one a line on standard input",
        ),
        (
            "没有要解释的帧",
            "既没有参数，标准输入也是终端",
            "以十六进制给出帧：edge explain 68...16，或从标准输入每行一帧",
        ),
    ),
    "E-CLI-119": (
        (
            "the system refused: {detail}",
            "a file or folder that this user may not use, a full disk, or text in a wrong encoding",
            "check who owns the path, the space left, and this terminal's encoding",
        ),
        (
            "系统拒绝：{detail}",
            "当前用户无权使用该文件或目录、磁盘已满，或文本编码错误",
            "检查路径属主、剩余空间和终端编码",
        ),
    ),
    "E-CLI-106": (
        (
            "the demo's broker is not installed",
            "the package iotcore is missing",
            "pip install 'edge[demo]', or make demo",
        ),
        ("未安装演示用的代理", "缺少软件包 iotcore", "pip install 'edge[demo]'，或 make demo"),
    ),
    "E-CLI-107": (
        (
            "the part {part} of the demo does not run: {detail}",
            "see the lines above; usually something else uses this machine's memory, disk or ports",
            "run edge demo --dir FOLDER and read the .log files in it",
        ),
        (
            "演示的组成部分 {part} 未能运行：{detail}",
            "见上文；通常是内存、磁盘或端口被占用",
            "运行 edge demo --dir 目录 并查看其中的 .log 文件",
        ),
    ),
    "E-CLI-108": (
        (
            "{path} exists already",
            "the demo never writes into an existing folder",
            "name a folder that does not exist yet",
        ),
        ("{path} 已存在", "演示从不写入已有目录", "请指定一个尚不存在的目录"),
    ),
}
