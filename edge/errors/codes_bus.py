"""Codes of the bus: ports (1xx) and the verdicts on what happened on the wire (2xx, design section 10)."""

from edge.errors.shape import Codes

CODES: Codes = {
    "E-BUS-101": (
        (
            "port {port} cannot be opened: {detail}",
            "the adapter is not plugged in, the name is wrong, or the name changed after a restart",
            "edge ports lists what is there; then set the port in edge.toml by its stable name",
        ),
        (
            "无法打开端口 {port}：{detail}",
            "适配器未插好、名称写错，或重启后名称已变",
            "运行 edge ports 查看本机串口，并在 edge.toml 中使用固定名称",
        ),
    ),
    "E-BUS-102": (
        (
            "port {port} is used by another program",
            "the daemon or another tool holds the port",
            "edge ports names it; is it the daemon, let it do the reading: give its settings with --config",
        ),
        (
            "端口 {port} 正被其他程序占用",
            "守护进程或其他工具占用了该端口",
            "用 edge ports 查看占用者；若为守护进程，请由它代为抄读：用 --config 指定其配置",
        ),
    ),
    "E-BUS-103": (
        (
            "no permission for port {port}",
            "this user is not in the group that owns the port (usually dialout)",
            "edge ports names the group; sudo usermod -aG dialout $USER, then log in again",
        ),
        (
            "没有权限使用端口 {port}",
            "当前用户不在端口所属的组中（通常为 dialout）",
            "用 edge ports 查看所属组；执行 sudo usermod -aG dialout $USER 后重新登录",
        ),
    ),
    "E-BUS-104": (
        (
            "port {port} is gone: {detail}",
            "the adapter was unplugged, or the serial server closed the connection",
            "plug the adapter in again, or check the serial server; polling goes on by itself",
        ),
        (
            "端口 {port} 已消失：{detail}",
            "适配器被拔出，或串口服务器关闭了连接",
            "重新插好适配器，或检查串口服务器；抄读会自动继续",
        ),
    ),
    "E-BUS-105": (
        (
            "port {port} cannot be set to {baud} Bd, parity {parity}",
            "this adapter or serial server does not offer that speed or parity",
            "choose another speed or parity for this bus, or use another adapter",
        ),
        (
            "端口 {port} 不能设为 {baud} 波特、校验 {parity}",
            "该适配器或串口服务器不支持此波特率或校验方式",
            "为该总线选择其他波特率或校验方式，或更换适配器",
        ),
    ),
    "E-BUS-106": (
        (
            "port {port} takes no more bytes",
            "the adapter hangs, or the serial server does not read",
            "unplug the adapter and plug it in again, or restart the serial server",
        ),
        (
            "端口 {port} 不再接收数据",
            "适配器卡死，或串口服务器停止读取",
            "重新插拔适配器，或重启串口服务器",
        ),
    ),
    "E-BUS-107": (
        (
            "serial server {port} cannot be reached: {detail}",
            "the server is off, its address or port number is wrong, or it serves somebody else",
            "check its power, network cable and address; many serial servers serve one client at a time",
        ),
        (
            "无法连接串口服务器 {port}：{detail}",
            "服务器未通电、地址或端口号错误，或正被其他客户端占用",
            "检查电源、网线和地址；许多串口服务器同时只服务一个客户端",
        ),
    ),
    "E-BUS-108": (
        (
            "{port} names no port",
            "the text is neither a device path nor a serial server's address",
            "write /dev/..., socket://host:port or rfc2217://host:port",
        ),
        (
            "{port} 不是有效的端口",
            "既不是设备路径，也不是串口服务器地址",
            "写成 /dev/...、socket://主机:端口 或 rfc2217://主机:端口",
        ),
    ),
    "E-BUS-109": (
        (
            "the simulator cannot offer {port}: {detail}",
            "the name or the TCP port is taken, or the folder cannot be written",
            "choose another name or port; --tcp 0 takes a free one",
        ),
        (
            "模拟器无法提供 {port}：{detail}",
            "名称或 TCP 端口已被占用，或目录不可写",
            "换一个名称或端口；--tcp 0 自动选取空闲端口",
        ),
    ),
    "E-BUS-110": (
        (
            "the simulator cannot do this: {detail}",
            "a fault, an address or a port of the command line is mistyped",
            "edge sim --help lists the faults and how they are written",
        ),
        (
            "模拟器无法执行：{detail}",
            "命令行中的故障、地址或端口写错",
            "edge sim --help 列出所有故障及写法",
        ),
    ),
    "E-BUS-201": (
        (
            "{meter}: silence, no byte came back",
            "wrong address, wrong speed or parity, a broken wire, A and B exchanged, or the meter has no power",
            "check the address on the nameplate and the wires A and B at this meter; then read it with another --baud",
        ),
        (
            "{meter}：无应答，没有收到任何字节",
            "地址错误、波特率或校验错误、断线、A/B 接反，或电表无电",
            "核对铭牌地址和该表的 A、B 接线，然后换一个 --baud 重读",
        ),
    ),
    "E-BUS-202": (
        (
            "{meter}: garbage, {count} bytes came back and none made a frame",
            "wrong speed or parity, or strong disturbance on the wire",
            "read it with another --baud and --parity; check the shield and the distance to power cables",
        ),
        (
            "{meter}：乱码，收到 {count} 个字节但无法组成帧",
            "波特率或校验错误，或线路干扰严重",
            "换 --baud 和 --parity 重读；检查屏蔽层及与电力线的距离",
        ),
    ),
    "E-BUS-203": (
        (
            "{meter}: bad checksum, the answer arrived damaged",
            "a loose drop wire or terminal at this meter, or line noise",
            "tighten the terminals of this meter; check the terminating resistors and the shield",
        ),
        (
            "{meter}：校验和错误，应答在途中受损",
            "该表支线或端子松动，或线路有干扰",
            "紧固该表端子；检查终端电阻和屏蔽层",
        ),
    ),
    "E-BUS-204": (
        (
            "{meter}: another address answered ({other})",
            "the meter's address differs from the list, or an adapter answers in its place",
            "compare the nameplate with the list; edge scan shows who is there",
        ),
        (
            "{meter}：应答来自另一地址（{other}）",
            "电表地址与清单不符，或有转换器代答",
            "核对铭牌与清单；edge scan 可显示线路上的电表",
        ),
    ),
    "E-BUS-205": (
        (
            "{meter}: the meter refused: {detail}",
            "this meter does not support the item or the function",
            "take the item out of this meter's task, or read it under another identifier",
        ),
        (
            "{meter}：电表拒绝：{detail}",
            "该表不支持此数据项或功能",
            "从任务中去掉此数据项，或改用其他标识读取",
        ),
    ),
    "E-BUS-206": (
        (
            "{meter}: collision, two answers lay over each other",
            "two meters on this bus have the same address",
            "unplug one of the two and read again; give one of them another address",
        ),
        (
            "{meter}：冲突，两个应答重叠",
            "同一总线上有两块地址相同的电表",
            "断开其中一块后重读；为其中一块更换地址",
        ),
    ),
    "E-BUS-207": (
        (
            "{meter}: the answer came late, after its deadline",
            "a slow meter or a slow radio or power-line bridge in between",
            "raise reply_ms of this bus",
        ),
        (
            "{meter}：应答迟到，超过了期限",
            "电表反应慢，或中间有无线/载波转换",
            "增大该总线的 reply_ms",
        ),
    ),
    "E-BUS-208": (
        (
            "{meter}: malformed answer: {detail}",
            "the frame is sound but its content cannot be right; the meter may follow another standard",
            "edge explain shows the frame byte by byte; tell the meter's maker",
        ),
        (
            "{meter}：应答内容不合规：{detail}",
            "帧本身完好但内容不可能正确；该表可能遵循另一标准",
            "用 edge explain 逐字节查看该帧，并反馈给电表厂家",
        ),
    ),
    "E-BUS-209": (
        (
            "{meter}: requests that we did not send are on the wire",
            "a second master (the concentrator or a hand-held) polls the same bus",
            "let only one master poll at a time",
        ),
        (
            "{meter}：线路上出现了非本机发出的请求",
            "总线上有第二个主站（集中器或掌机）在抄读",
            "同一时间只允许一个主站抄读",
        ),
    ),
    "E-BUS-213": (
        (
            "the scan by wildcards found an answer to everything: {count} asked, {waiting} still to ask",
            "noise on the wire, another master, or an adapter that answers for every address",
            "scan a range of addresses instead, or find the noise first: edge read with one known meter",
        ),
        (
            "通配扫描处处有应答：已询问 {count}，尚余 {waiting}",
            "线路有干扰、有其他主站，或转换器对所有地址代答",
            "改为按地址范围扫描，或先用一块已知电表排查干扰：edge read",
        ),
    ),
    "E-BUS-214": (
        (
            "something answers for the address {address}, which no meter has",
            "an adapter or a server answers for every address, or a meter does not look at the address",
            "take it off the bus and scan again; a single meter of known address can still be read: edge read",
        ),
        (
            "不存在的地址 {address} 也有应答",
            "转换器或服务器对所有地址代答，或有电表不核对地址",
            "将其从总线上断开后重新扫描；已知地址的单块电表仍可读取：edge read",
        ),
    ),
    "E-BUS-215": (
        (
            "several meters answer to everybody's address {pattern}, none to a shortened one",
            "these meters do not obey shortened addresses: they cannot be told apart without their numbers",
            "scan by their numbers: edge scan --list FILE, or --range FIRST-LAST",
        ),
        (
            "通配地址 {pattern} 有多块电表应答，缩位地址却无应答",
            "这些电表不支持缩位寻址，不知道表号就无法区分",
            "按表号扫描：edge scan --list 文件，或 --range 起始-结束",
        ),
    ),
    "E-BUS-216": (
        (
            "nothing answers at any of {count} settings of speed, parity and protocol",
            "the meters have no power, A and B are exchanged, a wire is open, or the adapter does not send",
            "measure A against B at the last meter (0.2 to 5 V at rest), exchange A and B once, then edge detect again",
        ),
        (
            "试过的 {count} 种波特率、校验和规约均无应答",
            "电表无电、A/B 接反、断线，或转换器未发送",
            "在末端电表处测量 A、B 间电压（静止时 0.2 至 5 V），对调一次 A、B，再运行 edge detect",
        ),
    ),
    "E-BUS-217": (
        (
            "bytes come back ({count} at {at}), and at no setting do they make a frame",
            "a speed or parity that was not tried, another protocol on this wire, or strong disturbance",
            "edge detect --all tries every setting; then the shield, and the resistors at both ends",
        ),
        (
            "有字节返回（{at} 时 {count} 个），但任何设置下都不能成帧",
            "波特率或校验不在已试范围内、线上是其他规约，或干扰严重",
            "edge detect --all 试遍所有设置；再检查屏蔽层和两端电阻",
        ),
    ),
    "E-BUS-218": (
        (
            "the parity is wrong: the bus is set to {was}, meters answer at {now}",
            "parity was left at a usual value of other devices; DL/T 645 meters use even parity",
            "write it into edge.toml: edge detect BUS --write, then restart the daemon",
        ),
        (
            "校验设置错误：总线设为 {was}，电表在 {now} 应答",
            "沿用了其他设备的常用校验；DL/T 645 电表为偶校验",
            "写入 edge.toml：edge detect BUS --write，然后重启守护进程",
        ),
    ),
    "E-BUS-219": (
        (
            "the speed is wrong: the bus is set to {was}, meters answer at {now}",
            "the meters were set to another speed than the standard's 2400 Bd, or the settings were",
            "write it into edge.toml: edge detect BUS --write, then restart the daemon",
        ),
        (
            "波特率设置错误：总线设为 {was}，电表在 {now} 应答",
            "电表或配置的波特率与标准的 2400 不同",
            "写入 edge.toml：edge detect BUS --write，然后重启守护进程",
        ),
    ),
    "E-BUS-220": (
        (
            "the protocol is wrong: the bus is set to {was}, meters answer at {now}",
            "these meters follow the other edition of DL/T 645",
            "write it into edge.toml: edge detect BUS --write; single meters: edge meters add --protocol",
        ),
        (
            "规约设置错误：总线设为 {was}，电表在 {now} 应答",
            "这些电表执行 DL/T 645 的另一版本",
            "写入 edge.toml：edge detect BUS --write；个别电表用 edge meters add --protocol",
        ),
    ),
    "E-BUS-221": (
        (
            "the line is not quiet: {count} bytes without anybody being asked",
            "no resistor at the ends, a missing bias, a shield earthed twice, or a power cable beside the bus",
            "resistors of 120 ohm at both ends, the shield to earth once, distance to power cables; then edge diagnose",
        ),
        (
            "线路不安静：未询问也收到 {count} 个字节",
            "两端无终端电阻、缺少偏置、屏蔽层两点接地，或与电力线并行",
            "两端各接 120 欧电阻，屏蔽层单点接地，远离电力线；再运行 edge diagnose",
        ),
    ),
    "E-BUS-222": (
        (
            "meters answer up to {last}; from {first} on, none does",
            "the wire is open or exchanged between these two meters, if the list follows the wire",
            "check the terminals and the wire between {last} and {first}",
        ),
        (
            "到 {last} 为止的电表有应答，从 {first} 起全部无应答",
            "若清单按接线顺序，这两块表之间断线或接反",
            "检查 {last} 与 {first} 之间的端子和导线",
        ),
    ),
    "E-BUS-223": (
        (
            "{silent} of {count} meters are silent: {meters}",
            "wrong addresses in the list, drop wires that are loose, or meters without power",
            "compare their nameplates with the list, then look at their terminals; edge scan finds other addresses",
        ),
        (
            "{count} 块电表中有 {silent} 块无应答：{meters}",
            "清单地址有误、支线松动，或电表无电",
            "核对铭牌与清单，再检查其端子；edge scan 可找到其他地址",
        ),
    ),
    "E-BUS-224": (
        (
            "the line is alive ({other} answers), but none of the known meters does: {meters}",
            "the list belongs to another bus or site, or its addresses are mistyped",
            "edge scan BUS shows who is there; then edge meters import the right list",
        ),
        (
            "线路正常（{other} 有应答），但已登记的电表均无应答：{meters}",
            "清单属于其他总线或站点，或地址写错",
            "用 edge scan BUS 查看实际电表，再用 edge meters import 导入正确清单",
        ),
    ),
    "E-BUS-225": (
        (
            "line noise: {bad} of {count} answers are damaged",
            "a loose terminal, a missing resistor at the ends, or a power cable beside the bus",
            "edge bus shows whose answers are damaged: one meter is its drop wire, all are the bus",
        ),
        (
            "线路有干扰：{count} 个应答中有 {bad} 个损坏",
            "端子松动、两端缺终端电阻，或与电力线并行",
            "用 edge bus 查看是谁的应答损坏：只有一块则查其支线，全部则查总线",
        ),
    ),
    "E-BUS-226": (
        (
            "in the hour from {begin} on {bad} of {count} answers were damaged; now the line is sound",
            "something that runs at certain hours disturbs the bus: a motor, a welder, an inverter, a lift",
            "ask what runs at that hour; keep the bus away from its cables, and its shield earthed at one end",
        ),
        (
            "自 {begin} 起的一小时内，{count} 个应答中有 {bad} 个损坏；现在线路正常",
            "某些设备在特定时段干扰总线：电机、电焊机、逆变器或电梯",
            "查明该时段有何设备运行；总线远离其电缆，屏蔽层单端接地",
        ),
    ),
    "E-BUS-212": (
        (
            "{meter}: its protocol has no identifier for any item of its task",
            "the task asks this meter for items that only another protocol has",
            "take the meter out of the task, or give it its own protocol: edge meters list",
        ),
        (
            "{meter}：其规约没有任务中任何数据项的标识",
            "任务要求的数据项只有其他规约才有",
            "把该表移出任务，或为其设置正确的规约：edge meters list",
        ),
    ),
    "E-BUS-211": (
        (
            "bus {bus}: {count} meters were not reached in their slot of task {task}",
            "the bus is too slow for what the task asks in its period, or dead meters take the time",
            "a longer period, fewer items, or a higher speed for this bus; see which meters are silent: edge status",
        ),
        (
            "总线 {bus}：任务 {task} 有 {count} 块表未能在时段内抄读",
            "总线速度不足以在周期内完成任务，或无应答的表占用了时间",
            "延长周期、减少数据项或提高总线速率；用 edge status 查看哪些表无应答",
        ),
    ),
    "E-BUS-210": (
        (
            "{meter}: the port is gone",
            "the adapter was unplugged or the serial server is not reachable",
            "plug the adapter in again; polling goes on by itself",
        ),
        (
            "{meter}：端口已消失",
            "适配器被拔出，或串口服务器无法到达",
            "重新插好适配器；抄读会自动继续",
        ),
    ),
    "E-BUS-231": (
        (
            "{meter}: did not take the freeze of snapshot {task}",
            "it does not know the freeze now, was without power, or its clock is more than a few minutes off",
            "read its time and its last freeze: edge read {meter} clock di:05010001",
        ),
        (
            "{meter}：未执行任务 {task} 的瞬时冻结",
            "该表不支持瞬时冻结、当时停电，或时钟偏差超过几分钟",
            "读取其时钟和最近一次冻结时间：edge read {meter} clock di:05010001",
        ),
    ),
    "E-BUS-232": (
        (
            "bus {bus}: another master asks the meters of this bus too",
            "the concentrator or a hand-held unit is on the same two wires; polling waits until it has finished",
            "let only one master poll at a time, or let both poll in different minutes",
        ),
        (
            "总线 {bus}：另有主站也在抄读本总线的电表",
            "集中器或掌机接在同一对线上；本机会等其完成后再抄读",
            "同一时间只允许一个主站抄读，或将两者错开时间",
        ),
    ),
    "E-BUS-233": (
        (
            "bus {bus}: none of its {count} meters answers ({reason})",
            "the whole bus is dead: a wire is broken or exchanged at the gateway, a faulty adapter, or no power",
            "look at the wires at the gateway first: A to A, B to B; then edge diagnose {bus}",
        ),
        (
            "总线 {bus}：{count} 块电表全部无应答（{reason}）",
            "整条总线不通：网关侧断线或 A、B 接反，转换器故障，或停电",
            "先检查网关侧接线：A 对 A、B 对 B；再运行 edge diagnose {bus}",
        ),
    ),
    "E-BUS-234": (
        (
            "{meter}: its clock is off by {offset_s} s, more than a broadcast can set",
            "its clock battery is empty, or it was never set; load records and freezes carry this wrong time",
            "have its clock written by an order of the centre, or exchange the meter",
        ),
        (
            "{meter}：时钟偏差 {offset_s} 秒，超出广播校时范围",
            "时钟电池耗尽，或从未校时；负荷记录和冻结数据带有错误时间",
            "由主站下发命令单独校时，或更换电表",
        ),
    ),
}
