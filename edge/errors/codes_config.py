"""Codes of the settings: file 00x, syntax 01x, keys 02x, types 03x, values 04x, sense 05x, `init` 06x, items 07x.

Time of a bus and meters of the register: 08x. What is in force, and what was: from 083.

In an excerpt the fact is the headline, the cause stands beside the carets, and the next act is the hint.
"""

from edge.errors.shape import Codes

CODES: Codes = {
    "E-CFG-001": (
        ("{file}: {count} mistakes", "the file was written by hand", "correct them, then edge config check {file}"),
        ("{file}：有 {count} 处错误", "该文件由人工编写", "改正后运行 edge config check {file}"),
    ),
    "E-CFG-002": (
        (
            "settings file {file} does not exist",
            "the name is wrong, or this gateway was not set up yet",
            "edge config init --out {file}, or name the file with --config",
        ),
        (
            "配置文件 {file} 不存在",
            "文件名写错，或本网关尚未初始化",
            "运行 edge config init --out {file}，或用 --config 指定文件",
        ),
    ),
    "E-CFG-003": (
        ("{file} is no regular file", "a folder or a device was named instead of the file", "name the file itself"),
        ("{file} 不是普通文件", "指定的是目录或设备而不是文件", "请指定文件本身"),
    ),
    "E-CFG-004": (
        (
            "settings file {file} may not be read by this user",
            "its mode or its folder's mode shuts this user out",
            "as root: chgrp edge {file}; chmod 640 {file}",
        ),
        (
            "当前用户无权读取配置文件 {file}",
            "文件或其目录的权限不允许该用户读取",
            "以 root 执行：chgrp edge {file}; chmod 640 {file}",
        ),
    ),
    "E-CFG-005": (
        (
            "{file}: line {line}, column {column} is not UTF-8",
            "the editor saved the file in another encoding (GBK, UTF-16)",
            "save it again as UTF-8",
        ),
        (
            "{file}：第 {line} 行第 {column} 列不是 UTF-8",
            "编辑器以其他编码（GBK、UTF-16）保存了文件",
            "请另存为 UTF-8 编码",
        ),
    ),
    "E-CFG-006": (
        (
            "{file} is larger than {limit} bytes",
            "another file was named: settings are a few kilobytes",
            "name the settings file; meters belong into the register (edge meters import)",
        ),
        (
            "{file} 超过 {limit} 字节",
            "指定了别的文件：配置文件只有几千字节",
            "请指定配置文件；电表清单请用 edge meters import 导入",
        ),
    ),
    "E-CFG-007": (
        (
            "{file} is empty",
            "the file was created but never filled, or lost in a power cut",
            "restore it, or edge config init",
        ),
        ("{file} 是空文件", "文件已创建但未填写，或在断电时丢失", "恢复该文件，或运行 edge config init"),
    ),
    "E-CFG-008": (
        (
            "{file} cannot be read: {detail}",
            "the storage or the mount is faulty",
            "look for its faults in dmesg",
        ),
        ("无法读取 {file}：{detail}", "存储或挂载有故障", "检查存储：dmesg 会列出其故障"),
    ),
    "E-CFG-010": (
        ("not TOML: {detail}", "cannot be read from here on", "write one key = value a line, or a [table] header"),
        ("不是合法的 TOML：{detail}", "从这里开始无法读取", "每行写一个 key = value，或一个 [table] 表头"),
    ),
    "E-CFG-011": (
        (
            'the character "{value}" is not part of TOML',
            "typed with a Chinese keyboard or a word processor",
            "write it as {plain}",
        ),
        ("TOML 不允许字符“{value}”", "可能用中文输入法或文字处理软件输入", "请改为半角 {plain}"),
    ),
    "E-CFG-012": (
        ("{key} is given twice", "the first one stands above", "take one of the two out"),
        ("{key} 重复", "上文已有一处", "请删除其中一处"),
    ),
    "E-CFG-013": (
        ("{value} is neither a number nor text", "text stands in quotes", "write {key} = {quoted}"),
        ("{value} 既不是数字也不是文本", "文本须加引号", "请写成 {key} = {quoted}"),
    ),
    "E-CFG-014": (
        ("{key} {value} is not known", "one of {choices}", "take one of the choices"),
        ("{key} 的值 {value} 无效", "可选：{choices}", "请从可选值中选择"),
    ),
    "E-CFG-015": (
        ("{key} = {value} is too small", "at least {limit}", "take a larger value"),
        ("{key} = {value} 太小", "最小为 {limit}", "请取较大的值"),
    ),
    "E-CFG-016": (
        ("{key} = {value} is too large", "at most {limit}", "take a smaller value"),
        ("{key} = {value} 太大", "最大为 {limit}", "请取较小的值"),
    ),
    "E-CFG-017": (
        ("a closing quote is missing", "the text goes on to the end of the line", "close the text with a quote"),
        ("缺少结束引号", "文本一直延续到行尾", "请补上结束引号"),
    ),
    "E-CFG-018": (
        ("a bracket is not closed", "opened here", "close the list with ] or the inline table with }}"),
        ("括号没有闭合", "从这里开始", "列表以 ] 结束，行内表以 }} 结束"),
    ),
    "E-CFG-020": (
        ("{key} is not known in {table}", "no such key", "keys here: {choices}"),
        ("{table} 中没有 {key}", "没有这个键", "此处可用：{choices}"),
    ),
    "E-CFG-021": (
        ("{key} is missing in {table}", "this table needs {key}", "add a line {key} = ..."),
        ("{table} 缺少 {key}", "此表需要 {key}", "请添加一行 {key} = ..."),
    ),
    "E-CFG-022": (
        ("the table [{key}] is missing", "every settings file needs it", "edge config init shows a whole file"),
        ("缺少表 [{key}]", "每个配置文件都需要它", "edge config init 可生成完整的文件"),
    ),
    "E-CFG-023": (
        ("{key} is not known in {table}", "it belongs in {home}", "move the line into {home}"),
        ("{table} 中没有 {key}", "它属于 {home}", "请把该行移到 {home}"),
    ),
    "E-CFG-031": (
        ("{key} is no text", "text stands in quotes", "write {quoted}; without quotes an address would lose its zeros"),
        ("{key} 不是文本", "文本须加引号", "请写成 {quoted}；不加引号的表地址会丢失前导零"),
    ),
    "E-CFG-032": (
        ("{key} = {value} is no whole number", "a whole number", "write it without quotes and without a point"),
        ("{key} = {value} 不是整数", "应为整数", "请不加引号、不带小数点"),
    ),
    "E-CFG-033": (
        ("{key} = {value} is no number", "a number", "write it without quotes, as in 5 or 2.5"),
        ("{key} = {value} 不是数字", "应为数字", "请不加引号，例如 5 或 2.5"),
    ),
    "E-CFG-034": (
        ("{key} is no list", "a list stands in brackets", "write {key} = [{value}]"),
        ("{key} 不是列表", "列表须放在方括号中", "请写成 {key} = [{value}]"),
    ),
    "E-CFG-035": (
        ("{key} is no table", "one table", "write a header [{key}], once, and its keys below it"),
        ("{key} 不是表", "应为一个表", "请写表头 [{key}]（只写一次），并在其下写各键"),
    ),
    "E-CFG-036": (
        ("{key} is no list of tables", "may come several times", "write the header with two brackets: [[{key}]]"),
        ("{key} 不是表的列表", "可出现多次", "表头请用双层方括号：[[{key}]]"),
    ),
    "E-CFG-037": (
        ("{key} = {value} is neither true nor false", "true or false", "write true or false, without quotes"),
        ("{key} = {value} 不是 true 或 false", "应为 true 或 false", "请写 true 或 false，不加引号"),
    ),
    "E-CFG-038": (
        ("{key} takes one text", "a list or a table stands here", "write one text in quotes"),
        ("{key} 只接受一个文本", "此处是列表或表", "请写一个带引号的文本"),
    ),
    "E-CFG-040": (
        ("{key} = {value} cannot be used: {detail}", "not accepted", "see docs/settings.md for this key"),
        ("{key} = {value} 无法使用：{detail}", "不被接受", "该键的说明见 docs/settings.md"),
    ),
    "E-CFG-041": (
        ("{key} {value} is no name", "1 to 32 of letters A-Z a-z, digits, - and _", "choose such a name"),
        ("{key} {value} 不能作为名称", "1 到 32 个字符：字母 A-Z a-z、数字、- 和 _", "请换用这样的名称"),
    ),
    "E-CFG-042": (
        ("{key} is empty", "needs at least one", "fill it in, or take the line out to have the default"),
        ("{key} 为空", "至少需要一项", "请填写，或删除该行以使用默认值"),
    ),
    "E-CFG-043": (
        ("time zone {value} is not known", "no such zone", 'write one like "Asia/Shanghai"'),
        ("时区 {value} 无效", "没有这个时区", '请写 "Asia/Shanghai" 这样的名称'),
    ),
    "E-CFG-044": (
        ("{key} {value} is no duration", "a number and ms, s, m, h or d", 'write it as in "15m"'),
        ("{key} {value} 不是时长", "数字加 ms、s、m、h 或 d", '请写成 "15m" 的形式'),
    ),
    "E-CFG-045": (
        (
            "{key} {value} does not divide the day",
            "slots would drift over midnight",
            'take whole seconds that divide 24 h: "1m", "5m", "15m", "30m", "1h", "1d"',
        ),
        (
            "{key} {value} 不能整除一天",
            "抄读时刻会在午夜后错位",
            '请取能整除 24 小时的整秒数："1m"、"5m"、"15m"、"30m"、"1h"、"1d"',
        ),
    ),
    "E-CFG-046": (
        ("{key} {value} is no time of day", "hours and minutes, two digits each", 'write it as "00:05"'),
        ("{key} {value} 不是时刻", "时和分，各两位数字", '请写成 "00:05"'),
    ),
    "E-CFG-047": (
        (
            "{value} is no broker",
            "mqtts://host:port or mqtt://host:port",
            'write it as in "mqtts://broker.example:8883"',
        ),
        (
            "{value} 不是代理地址",
            "mqtts://主机:端口 或 mqtt://主机:端口",
            '请写成 "mqtts://broker.example:8883" 的形式',
        ),
    ),
    "E-CFG-048": (
        ("item {value} is not known", "no such quantity", 'see docs/settings.md for the items, or write "di:00010000"'),
        ("数据项 {value} 无效", "没有这个量", '可用的数据项见 docs/settings.md，或写 "di:00010000"'),
    ),
    "E-CFG-049": (
        ("{key} {value} has the wrong form", "must match {pattern}", "write it in that form"),
        ("{key} {value} 格式错误", "须符合 {pattern}", "请按该格式填写"),
    ),
    "E-CFG-050": (
        (
            "certificate and key belong together",
            "the other one is missing",
            "give both certificate and key, or none of them",
        ),
        ("certificate 和 key 必须成对", "缺少另一个", "请同时给出 certificate 和 key，或都不给"),
    ),
    "E-CFG-051": (
        (
            "a task has exactly one of every, at, monthly",
            "this one has {count}",
            'write one of: every = "15m", at = "00:05", monthly = {{ day = 1, at = "00:10" }}',
        ),
        (
            "任务必须且只能有 every、at、monthly 之一",
            "此任务有 {count} 个",
            '请写其中之一：every = "15m"、at = "00:05"、monthly = {{ day = 1, at = "00:10" }}',
        ),
    ),
    "E-CFG-052": (
        (
            "port {value} is used twice",
            "already in line {line}",
            "one bus has one port: edge ports lists the adapters",
        ),
        ("端口 {value} 使用了两次", "第 {line} 行已使用", "一条总线一个端口：edge ports 可列出适配器"),
    ),
    "E-CFG-053": (
        ("bus name {value} is used twice", "already in line {line}", "give each bus a name of its own"),
        ("总线名 {value} 重复", "第 {line} 行已使用", "请为每条总线取不同的名称"),
    ),
    "E-CFG-054": (
        ("task name {value} is used twice", "already in line {line}", "give each task a name of its own"),
        ("任务名 {value} 重复", "第 {line} 行已使用", "请为每个任务取不同的名称"),
    ),
    "E-CFG-055": (
        (
            "port {value} is no port",
            "/dev/..., socket://host:port or rfc2217://host:port",
            "edge ports shows the adapters of this machine",
        ),
        (
            "{value} 不是端口",
            "/dev/...、socket://主机:端口 或 rfc2217://主机:端口",
            "edge ports 可列出本机适配器",
        ),
    ),
    "E-CFG-056": (
        (
            "layout {value} is not known to this version",
            "this version reads layout {choices}",
            "the file is for a newer edge: update edge, or write schema = {choices}",
        ),
        (
            "本版本不支持配置格式 {value}",
            "本版本支持格式 {choices}",
            "该文件适用于更新的 edge：请升级，或写 schema = {choices}",
        ),
    ),
    "E-CFG-057": (
        (
            "{value} is no meter address",
            "an address has 12 digits, this has {count}",
            "fill it with zeros on the left and compare it with the nameplate",
        ),
        ("{value} 不是表地址", "地址为 12 位数字，此处有 {count} 位", "请在左侧补零并与铭牌核对"),
    ),
    "E-CFG-058": (
        (
            "the task asks for {count} items",
            "at most {limit}, the keys of groups counted one by one",
            "leave out what nobody needs, or make two tasks of it",
        ),
        ("该任务要求 {count} 个数据项", "最多 {limit} 个，数据组按其中各项计数", "去掉不需要的项，或拆成两个任务"),
    ),
    "E-CFG-059": (
        (
            "{count} tasks",
            "at most {limit}",
            "put items that are read together into one task; choose the meters of a task by tags",
        ),
        ("共有 {count} 个任务", "最多 {limit} 个", "把一起抄读的数据项放入同一任务；用标签选择任务的电表"),
    ),
    "E-CFG-060": (
        (
            "{value} cannot be the id of a gateway",
            "the centre has this name",
            "choose another id, the one under which the gateway is enrolled at the centre",
        ),
        ("{value} 不能用作网关 id", "该名称属于主站", "请另选 id，即网关在主站登记的名称"),
    ),
    "E-CFG-061": (
        ("{file} exists already", "it is never overwritten", "edit it, or choose another file with --out"),
        ("{file} 已存在", "不会覆盖已有文件", "请编辑该文件，或用 --out 指定其他文件"),
    ),
    "E-CFG-062": (
        (
            "{file} cannot be written: {detail}",
            "the folder does not exist, is full, or may not be written by this user",
            "choose another place with --out, or run it as root",
        ),
        ("无法写入 {file}：{detail}", "目录不存在、已满，或当前用户无权写入", "用 --out 指定其他位置，或以 root 运行"),
    ),
    "E-CFG-064": (
        ("{key} holds a NUL character: {value}", "no path, name or address has one", "write the text without \\u0000"),
        ("{key} 含有 NUL 字符：{value}", "路径、名称和地址中都不会有该字符", "去掉文本中的 \\u0000"),
    ),
    "E-CFG-071": (
        (
            "format {value} is not known",
            "digits as in XXX.X, HEX:n, ID:n, ASCII:n, RAW:n bytes, or a time as in YYMMDDhhmm",
            'write it as in "XXX.X" (2 bytes), "HEX:2" or "ASCII:10"',
        ),
        (
            "格式 {value} 无效",
            "可用：如 XXX.X 的数字、HEX:n、ID:n、ASCII:n、RAW:n（字节数）、如 YYMMDDhhmm 的时间",
            '请写成 "XXX.X"（2 字节）、"HEX:2" 或 "ASCII:10" 的形式',
        ),
    ),
    "E-CFG-072": (
        (
            "{value} is an identifier of the standard: {name}",
            "it needs no definition",
            "read it by its quantity or by di:, or write replaces_standard = true if these meters differ",
        ),
        (
            "{value} 是标准已有的数据标识：{name}",
            "无需定义",
            "请用其量名或 di: 读取；若这些电表含义不同，请写 replaces_standard = true",
        ),
    ),
    "E-CFG-073": (
        (
            "item {key} {value} is used twice",
            "already in line {line}",
            "give each item a key and an identifier of its own",
        ),
        ("数据项 {key} {value} 重复", "第 {line} 行已使用", "请为每个数据项使用不同的 key 和标识"),
    ),
    "E-CFG-074": (
        (
            "{value} is the key of a quantity",
            "tasks could not tell them apart",
            'choose another key, as in "vendor_temperature"',
        ),
        ("{value} 是已有的量名", "任务无法区分两者", '请另选名称，如 "vendor_temperature"'),
    ),
    "E-CFG-075": (
        (
            "format {value} has no sign",
            "only digits (X, N) have one",
            "leave signed out, or write the digits of the number",
        ),
        ("格式 {value} 没有符号", "只有数字（X、N）才有符号", "请去掉 signed，或写出数字格式"),
    ),
    "E-CFG-076": (
        (
            "{value} is not in a snapshot",
            "meters freeze energies, maximum demands and powers; they do not freeze {key}",
            "read it in a task of its own",
        ),
        ("{value} 不在瞬时冻结中", "电表冻结电能、最大需量和功率，不冻结 {key}", "请放到另一个任务中抄读"),
    ),
    "E-CFG-077": (
        (
            "a snapshot every {value} is too often",
            "meters stamp a freeze with the minute, and their clocks differ: two in a row could not be told apart",
            'every = "5m" or longer',
        ),
        (
            "瞬时冻结周期 {value} 过短",
            "电表以分钟记录冻结时间，且各表时钟有差异，无法区分相邻两次",
            '请设为 every = "5m" 或更长',
        ),
    ),
    "E-CFG-063": (
        ("{missing} not given", "this is no terminal, so nobody can be asked", "add {missing} to the command"),
        ("未给出 {missing}", "当前不是终端，无法询问", "请在命令中加上 {missing}"),
    ),
    "E-CFG-065": (
        (
            "the settings of bus {bus} cannot be changed in the file: {detail}",
            "the file is written in a way that cannot be changed without losing what a person wrote",
            "change the values by hand; they stand above",
        ),
        (
            "无法在文件中修改总线 {bus} 的设置：{detail}",
            "文件的写法使程序无法在不丢失人工内容的情况下修改",
            "请手工修改；数值见上文",
        ),
    ),
    "E-CFG-080": (
        (
            "task {task} cannot be done every {period}: bus {bus} needs {sum} for it",
            "{count} meters x {each} = {sum}",
            "take a longer period, fewer items, a higher speed, or spread the meters over more buses",
        ),
        (
            "任务 {task} 无法每 {period} 完成一次：总线 {bus} 需要 {sum}",
            "{count} 块表 x {each} = {sum}",
            "请加长周期、减少数据项、提高波特率，或把电表分到更多总线",
        ),
    ),
    "E-CFG-081": (
        (
            "bus {bus} has more to do than there is time: {percent} %",
            "{parts}",
            "make the tasks that need most rarer or shorter; the rest is missed in turn, as `overrun`",
        ),
        (
            "总线 {bus} 的任务超出可用时间：{percent} %",
            "{parts}",
            "请减少最耗时任务的频次或数据项；否则会轮流漏抄（overrun）",
        ),
    ),
    "E-CFG-082": (
        (
            "{count} meters of the register are on bus {bus}, which is not here: {meters}",
            "no [[bus]] has this name",
            "name a [[bus]] {bus}, or move the meters: edge meters export, correct the column bus, edge meters import",
        ),
        (
            "档案中有 {count} 块表在总线 {bus} 上，但此文件没有该总线：{meters}",
            "没有名为此的 [[bus]]",
            "请添加名为 {bus} 的 [[bus]]，或用 edge meters export 导出、改正 bus 列后再 edge meters import",
        ),
    ),
    "E-CFG-083": (
        (
            "{file} was changed and is wrong: {detail}; the settings of before stay in force",
            "a reload found mistakes in the file",
            "edge config check {file} shows them; correct them, then edge config reload",
        ),
        (
            "{file} 已修改但有错误：{detail}；仍使用原来的配置",
            "重新加载时发现文件有错误",
            "运行 edge config check {file} 查看并改正，再运行 edge config reload",
        ),
    ),
    "E-CFG-084": (
        (
            "settings that were changed wait for a restart: {names}",
            "the daemon is built on these; everything else of the file is in force",
            "systemctl restart edge.target, or take the change back and run edge config reload",
        ),
        (
            "以下已修改的配置需重启后生效：{names}",
            "守护进程启动时以此为基础；文件中的其他内容已生效",
            "运行 systemctl restart edge.target，或撤回修改后运行 edge config reload",
        ),
    ),
    "E-CFG-085": (
        (
            "the settings could not be read again: {detail}; those of before stay in force",
            "the program that reads them could not be started, or did not end well",
            "run edge config reload again; if it comes again, systemctl restart edge.target",
        ),
        (
            "无法重新读取配置：{detail}；仍使用原来的配置",
            "读取配置的程序无法启动或异常结束",
            "请再次运行 edge config reload；若仍出现，请 systemctl restart edge.target",
        ),
    ),
    "E-CFG-086": (
        (
            "no kept settings to go back to in {folder}: {wanted}",
            "settings are kept once they were in force; only the newest stay",
            "edge config history lists what is there",
        ),
        (
            "{folder} 中没有可恢复的配置：{wanted}",
            "配置生效后才会保存，且只保留最新的若干份",
            "edge config history 可列出现有的配置",
        ),
    ),
    "E-CFG-087": (
        (
            "the settings in force could not be kept in {folder}: {detail}",
            "the disk is full or faulty, or the folder may not be written",
            "nothing else is affected; make room, then edge config reload",
        ),
        (
            "无法在 {folder} 中保存生效的配置：{detail}",
            "磁盘已满或有故障，或目录不可写",
            "其他功能不受影响；请腾出空间后运行 edge config reload",
        ),
    ),
    "E-CFG-089": (
        (
            "{file} is not what was kept: its content does not match its name",
            "the file was changed or damaged since",
            "take another one of edge config history",
        ),
        ("{file} 与保存时不一致：内容与文件名不符", "文件后来被修改或损坏", "请从 edge config history 中另选一份"),
    ),
    "E-CFG-091": (
        (
            "{file} cannot be written anew in layout {layout}",
            "it is written in a way that the program cannot change",
            "it is read as it is; nothing has to be done",
        ),
        (
            "无法把 {file} 改写为格式 {layout}",
            "文件的写法使程序无法修改",
            "该文件可照常读取，无需处理",
        ),
    ),
    "E-CFG-092": (
        ("{key} is no table", "keys and values in braces", "write {key} = {{ ... }} in one line"),
        ("{key} 不是表", "键和值须放在花括号中", "请在一行内写成 {key} = {{ ... }}"),
    ),
    "E-CFG-078": (
        (
            "{value} is no place for metrics",
            "they are served on this machine only: a Unix socket by its whole path, or a port of loopback",
            'write "unix:/var/lib/edge/metrics.sock" or "127.0.0.1:9645"; another machine gets them through a proxy',
        ),
        (
            "{value} 不能用来提供指标",
            "指标只在本机提供：用完整路径写的 Unix 套接字，或环回地址的端口",
            '请写 "unix:/var/lib/edge/metrics.sock" 或 "127.0.0.1:9645"；其他机器通过代理获取',
        ),
    ),
}
