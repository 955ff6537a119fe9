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
            "run it as root: sudo edge ...; or sudo chown edge-poll:edge {path}; or correct state_dir",
        ),
        (
            "无法使用状态目录 {path}：{detail}",
            "目录属于其他用户、所在磁盘不可写，或路径写错",
            "以 root 运行（sudo edge ...），或 sudo chown edge-poll:edge {path}；或改正 state_dir",
        ),
    ),
    "E-CLI-109": (
        (
            "{options}: not while the daemon runs",
            "the daemon has the port and reads with the line settings of edge.toml",
            "leave {options} out; or stop the daemon (systemctl stop edge-poll) and try again",
        ),
        (
            "守护进程运行时不能使用 {options}",
            "端口由守护进程占用，按 edge.toml 中的线路设置抄读",
            "去掉 {options}；或先停止守护进程（systemctl stop edge-poll）再试",
        ),
    ),
    "E-CLI-110": (
        (
            "{option} needs settings",
            "a port was given, and the settings say which bus it is and where the register lies",
            "name the bus instead of --port, with --config where edge.toml is not at its usual place",
        ),
        (
            "{option} 需要配置文件",
            "给出的是端口，而总线名称和档案位置写在配置中",
            "不用 --port，改为写总线名；edge.toml 不在默认位置时加 --config",
        ),
    ),
    "E-CLI-111": (
        (
            "{file} holds no state of a scan: {detail}",
            "the file is of another kind or version, or it was cut off",
            "name the right file; or leave --resume out and scan anew",
        ),
        ("{file} 中没有扫描状态：{detail}", "文件类型或版本不符，或不完整", "指定正确的文件；或去掉 --resume 重新扫描"),
    ),
    "E-CLI-112": (
        (
            "{file} holds {count} addresses; a list has 1 to {most}",
            "addresses are numbers of 12 digits; a table program may have dropped leading zeros",
            "write all 12 digits, as text; in pieces if there are more",
        ),
        (
            "{file} 中有 {count} 个地址；清单应有 1 至 {most} 个",
            "地址为 12 位数字；表格软件可能去掉了前导零",
            "以文本写全 12 位；数量过多时分批扫描",
        ),
    ),
    "E-CLI-113": (
        (
            "{file} is no trace: {detail}",
            "the file is of another kind or version, or it was cut off",
            "name a file that edge trace --save wrote",
        ),
        ("{file} 不是报文记录：{detail}", "文件类型或版本不符，或不完整", "指定由 edge trace --save 写出的文件"),
    ),
    "E-CLI-114": (
        (
            "{file} cannot be written: {detail}",
            "the folder is not there, is closed to this user, or the disk is full",
            "name a file in a folder of your own",
        ),
        ("无法写入 {file}：{detail}", "目录不存在、无权限，或磁盘已满", "指定自己目录中的文件"),
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
    "E-CLI-401": (
        (
            "{port} is used by {holders}",
            "a port has one user at a time; this is the daemon, or a program that was left open",
            "end that program; is it the daemon, leave it and give edge its settings with --config",
        ),
        (
            "{port} 正被 {holders} 占用",
            "串口同一时间只能有一个使用者：守护进程，或未关闭的程序",
            "结束该程序；若为守护进程则保留，并用 --config 指定其配置",
        ),
    ),
    "E-CLI-402": (
        (
            "no permission for {port}, which belongs to the group {group}",
            "this user is not in that group, or joined it after logging in",
            "sudo usermod -aG {group} $USER, then log in again",
        ),
        (
            "没有权限使用 {port}，它属于组 {group}",
            "当前用户不在该组中，或加入后尚未重新登录",
            "执行 sudo usermod -aG {group} $USER 后重新登录",
        ),
    ),
    "E-CLI-403": (
        (
            "no permission for {port}, and none by joining its group {group}",
            "no rule of this system opens the port to a group for serial ports",
            "sudo chgrp dialout {port}; sudo chmod 660 {port}; to last, the same by a udev rule (GROUP, MODE)",
        ),
        (
            "没有权限使用 {port}，加入其所属组 {group} 也不能解决",
            "系统中没有规则把该串口开放给串口用户组",
            "执行 sudo chgrp dialout {port}; sudo chmod 660 {port}；长期有效请写 udev 规则（GROUP、MODE）",
        ),
    ),
    "E-CLI-404": (
        (
            "{port} is gone",
            "the adapter is not plugged in, the name is wrong, or the name changed after a restart",
            "plug it in, run edge ports again, and set the port in edge.toml by the name shown there",
        ),
        (
            "{port} 已不存在",
            "适配器未插好、名称写错，或重启后名称已变",
            "插好后再次运行 edge ports，并在 edge.toml 中使用所列名称",
        ),
    ),
    "E-CLI-405": (
        (
            "{port} is gone, and {holders} still holds it",
            "the adapter was pulled out while in use; plugged in again it gets another name as long as that lasts",
            "restart that program; in edge.toml a name from /dev/serial keeps this from mattering",
        ),
        (
            "{port} 已不存在，但 {holders} 仍占用它",
            "适配器在使用中被拔出；占用未释放前，重新插入会得到另一个名称",
            "重启该程序；在 edge.toml 中使用 /dev/serial 下的名称可避免影响",
        ),
    ),
    "E-CLI-406": (
        (
            "{port} may be another adapter after a restart",
            "USB adapters are numbered as they are found, and this one has no name of its own in /dev/serial",
            "one adapter alone can stay so; for several, install udev, or give each a name by a udev rule (SYMLINK)",
        ),
        (
            "重启后 {port} 可能变成另一个适配器",
            "USB 适配器按发现顺序编号，而此适配器在 /dev/serial 下没有自己的名称",
            "只有一个适配器时可不处理；有多个时请安装 udev，或用 udev 规则（SYMLINK）逐一命名",
        ),
    ),
    "E-CLI-407": (
        (
            "{port} cannot be told from another adapter by its serial number",
            "both tell the same of themselves and share one name, which leads to whichever came last",
            "use {name} in edge.toml, and leave each adapter in its socket",
        ),
        (
            "仅凭序列号无法区分 {port} 与另一个适配器",
            "两者自报信息相同，共用一个名称，该名称指向最后识别的一个",
            "在 edge.toml 中使用 {name}，并保持每个适配器所在的插口不变",
        ),
    ),
    "E-CLI-408": (
        (
            "{port} may hold an answer back for {timer_ms} ms",
            "the adapter collects bytes for that long before it hands them on (latency timer)",
            "echo 1 | sudo tee /sys/bus/usb-serial/devices/{tty}/latency_timer; to last, by a udev rule",
        ),
        (
            "{port} 可能把应答延后 {timer_ms} 毫秒",
            "适配器攒够该时间的字节才上送（latency timer）",
            "执行 echo 1 | sudo tee /sys/bus/usb-serial/devices/{tty}/latency_timer；长期有效请写 udev 规则",
        ),
    ),
    "E-CLI-409": (
        (
            "a port shown as free may be used by a program that cannot be seen",
            "this user, or this container, may not look into every process of the machine",
            "sudo edge ports, outside of any container",
        ),
        (
            "显示为空闲的串口可能正被看不到的程序占用",
            "当前用户或所在容器无权查看本机全部进程",
            "在容器之外执行 sudo edge ports",
        ),
    ),
    "E-CLI-410": (
        (
            "bus {bus} of the settings uses {port}, a name that may change",
            "USB adapters are numbered as they are found",
            'write port = "{name}" in edge.toml',
        ),
        (
            "配置中的总线 {bus} 使用了可能变化的名称 {port}",
            "USB 适配器按发现顺序编号",
            '在 edge.toml 中写 port = "{name}"',
        ),
    ),
    "E-CLI-411": (
        (
            "{port} is no serial port of this machine",
            "the path leads to something else, or names a serial server",
            "edge ports without --port lists what is there; a serial server is tried with edge scan --port",
        ),
        (
            "{port} 不是本机串口",
            "该路径指向其他东西，或是串口服务器地址",
            "不带 --port 运行 edge ports 可列出本机串口；串口服务器用 edge scan --port 试",
        ),
    ),
    "E-CLI-412": (
        (
            "no serial port on this machine",
            "no adapter is plugged in, its driver is missing, or a container was not given the device",
            'plug the adapter in and look at dmesg; a serial server needs none: port = "socket://host:port"',
        ),
        (
            "本机没有串口",
            "未插适配器、缺少驱动，或容器未获得该设备",
            '插上适配器并查看 dmesg；串口服务器不需要本机串口：port = "socket://主机:端口"',
        ),
    ),
}
