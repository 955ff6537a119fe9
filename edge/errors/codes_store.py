"""Codes of the store: the database (1xx), the meter register (2xx), meter lists (3xx)."""

from edge.errors.shape import Codes

CODES: Codes = {
    "E-STO-101": (
        (
            "the store {path} cannot be opened: {detail}",
            "the state directory is missing, belongs to another user, is read-only, or a folder has its name",
            "check that the daemon's user may write there: ls -ld on the directory; then start again",
        ),
        (
            "无法打开存储 {path}：{detail}",
            "状态目录不存在、属于其他用户、所在磁盘只读，或该名称是一个目录",
            "用 ls -ld 检查守护进程用户是否有写权限，然后重新启动",
        ),
    ),
    "E-STO-102": (
        (
            "the store {path} is of version {version}, this program knows versions up to {known}",
            "a newer edge wrote it and an older one was installed afterwards",
            "install the newer edge again; the readings in the store are untouched",
        ),
        (
            "存储 {path} 的版本为 {version}，本程序最高支持 {known}",
            "该存储由更新版本的 edge 写入，之后又安装了旧版本",
            "请重新安装较新的 edge；存储中的读数未被改动",
        ),
    ),
    "E-STO-103": (
        (
            "the store {path} is full: {detail}",
            "the centre has not taken batches, or not called them durable, for a long time",
            "edge status shows what waits and why: bring back the centre, or raise store.max_mib in edge.toml",
        ),
        (
            "存储 {path} 已满：{detail}",
            "主站长时间未接收批次，或未确认持久化",
            "edge status 可查看积压及原因：请恢复主站，或增大 edge.toml 中的 store.max_mib",
        ),
    ),
    "E-STO-104": (
        (
            "the store {path} was busy for more than 5 s: {detail}",
            "another program holds a long transaction on the file, or the disk hangs",
            "close other programs that have the file open (fuser -v on it); look for disk errors with dmesg",
        ),
        (
            "存储 {path} 忙碌超过 5 秒：{detail}",
            "有其他程序长时间占用该文件，或磁盘无响应",
            "关闭占用该文件的其他程序（fuser -v 查看）；用 dmesg 检查磁盘错误",
        ),
    ),
    "E-STO-105": (
        (
            "the store {path} is damaged: {detail}",
            "the card or disk gave back other data than was written",
            "restart the daemon: it sets the file aside and goes on with a new one; replace the card soon",
        ),
        (
            "存储 {path} 已损坏：{detail}",
            "存储卡或磁盘读出的数据与写入的不符",
            "重启守护进程：它会保留坏文件并启用新文件；请尽快更换存储卡",
        ),
    ),
    "E-STO-106": (
        (
            "reading or writing the store {path} failed: {detail}",
            "the card or disk reports errors or was taken out",
            "look at dmesg for disk errors; replace the card and keep the old one, readings may still be on it",
        ),
        (
            "读写存储 {path} 失败：{detail}",
            "存储卡或磁盘报错，或已被拔出",
            "用 dmesg 查看磁盘错误；更换存储卡并保留旧卡，其中可能仍有读数",
        ),
    ),
    "E-STO-107": (
        (
            "SQLite {version} is too old, at least {least} is needed",
            "older versions can damage a file that several processes write",
            "install edge with its pinned requirements: apsw brings the right SQLite with it",
        ),
        (
            "SQLite {version} 版本过低，至少需要 {least}",
            "旧版本在多进程写入时可能损坏文件",
            "请按固定的依赖安装 edge：apsw 自带合适的 SQLite",
        ),
    ),
    "E-STO-108": (
        (
            "the store {path} is damaged and another process still writes to it: {detail}",
            "the poller or the forwarder runs on while the other was started anew",
            "stop all edge services, then start them again: the file is then set aside and a new one begins",
        ),
        (
            "存储 {path} 已损坏，但仍有其他进程在写入：{detail}",
            "抄读进程与转发进程之一仍在运行",
            "停止全部 edge 服务后重新启动：坏文件将被保留，并启用新文件",
        ),
    ),
    "E-STO-109": (
        (
            "batch {seq} cannot be sealed: {detail}",
            "two forwarders run on one store",
            "stop one of them; nothing was changed in the store",
        ),
        (
            "批次 {seq} 无法封存：{detail}",
            "同一存储上运行了两个转发进程",
            "请停止其中一个；存储未被改动",
        ),
    ),
    "E-STO-110": (
        (
            "the damaged store was set aside as {path}; {salvaged} unsealed records were carried over",
            "the card or disk gave back other data than was written, or power failed while it was writing",
            "leave that file there: its batches are taken over, edge status says how far; replace the card soon",
        ),
        (
            "损坏的存储已另存为 {path}；已转存 {salvaged} 条未封存的记录",
            "存储卡或磁盘读出的数据与写入的不符，或写入时断电",
            "请勿移动该文件：转发进程会接管其中的批次，进度见 edge status；请尽快更换存储卡",
        ),
    ),
    "E-STO-111": (
        (
            "{count} marks of a time that has not come yet were forgotten",
            "this box once ran with a clock that was far ahead; what it recorded then carries wrong times",
            "look at the clock's battery and the time server; the centre's completeness shows what is missing",
        ),
        (
            "已忘记 {count} 个尚未到来的时间标记",
            "本机曾以超前很多的时钟运行，当时的记录带有错误时间",
            "检查时钟电池和时间服务器；主站的完整性报告会显示缺失部分",
        ),
    ),
    "E-STO-112": (
        (
            "the clock is behind what was recorded: there are slots up to {until}",
            "this box once ran with a clock that was ahead, or its clock is behind now; polling waits",
            'let the clock be set (time server); is it right, say so: clock = "rtc" under [gateway]',
        ),
        (
            "时钟落后于已有记录：已有到 {until} 的时段",
            "本机曾以超前的时钟运行，或现在时钟落后；抄读暂停等待",
            '让时钟得到校准（时间服务器）；若时钟无误，在 [gateway] 下写 clock = "rtc"',
        ),
    ),
    "E-STO-113": (
        (
            "the store {path} is of version {version}, this program makes it {known}, and another process has it open",
            "a part of edge of the older version still runs",
            "stop all edge services, then start them again: the store is then brought to the new version",
        ),
        (
            "存储 {path} 的版本为 {version}，需升级为 {known}，但仍有其他进程在使用",
            "旧版本 edge 的某个进程仍在运行",
            "停止全部 edge 服务后重新启动，存储即会升级",
        ),
    ),
    "E-STO-114": (
        (
            "no room to keep a copy of the store {path} (version {version}): {needed} bytes needed, {free} are free",
            "before a store is brought to a new version, a copy of it is kept beside it",
            "free disk space and start again; the store is untouched, the older edge still works with it",
        ),
        (
            "没有空间保留存储 {path}（版本 {version}）的副本：需要 {needed} 字节，剩余 {free} 字节",
            "升级存储前会在旁边保留一份副本",
            "清理磁盘后重新启动；存储未被改动，旧版本 edge 仍可使用",
        ),
    ),
    "E-STO-115": (
        (
            "the store {path} is {percent} % full: {used} of {limit} MiB",
            "batches wait for the centre or for its word that they are durable, or the disk has little room left",
            "edge status shows what waits: bring back the way to the centre, free the disk, or raise store.max_mib",
        ),
        (
            "存储 {path} 已用 {percent} %：{used}/{limit} MiB",
            "有批次等待主站接收或等待其持久化确认，或磁盘空间不足",
            "edge status 可查看积压：恢复到主站的通路、清理磁盘，或增大 store.max_mib",
        ),
    ),
    "E-STO-116": (
        (
            "the store {path} is nearly full, {percent} %: {used} of {limit} MiB",
            "the centre has not taken batches, or not called them durable, for a long time; or the disk is full",
            "act now, before readings have to go: bring back the centre, free the disk, or raise store.max_mib",
        ),
        (
            "存储 {path} 即将写满，已用 {percent} %：{used}/{limit} MiB",
            "主站长时间未接收批次或未确认持久化，或磁盘将满",
            "请在读数被舍弃之前处理：恢复主站、清理磁盘，或增大 store.max_mib",
        ),
    ),
    "E-STO-117": (
        (
            "damaged at {at}, set aside as {path}: {records} records, {batches} batches saved by now, {unread} not",
            "the card or disk gave back other data than was written, or power failed while it was writing",
            "leave that file where it is until this is done, the forwarder still reads it; replace the card soon",
        ),
        (
            "存储于 {at} 损坏并另存为 {path}：已保全 {records} 条记录、{batches} 个批次，{unread} 个批次无法读取",
            "存储卡或磁盘读出的数据与写入的不符，或写入时断电",
            "完成之前请勿移动该文件，转发进程仍在读取；请尽快更换存储卡",
        ),
    ),
    "E-STO-118": (
        (
            "damaged at {at} and set aside as {path}: {records} records, {batches} batches saved, {unread} not",
            "the card or disk gave back other data than was written; what is lost is named to the centre, slot by slot",
            "replace the card, then move that file away with its -wal and -shm: this ends when it is gone",
        ),
        (
            "存储于 {at} 损坏并另存为 {path}：保全 {records} 条记录、{batches} 个批次，{unread} 个批次无法读取",
            "存储卡或磁盘读出的数据与写入的不符；丢失部分已按时点报告主站",
            "请更换存储卡，然后移走该文件及其 -wal、-shm 文件：移走后本提示即消失",
        ),
    ),
    "E-STO-119": (
        (
            "a damaged store of an earlier time lies at {path}; nothing more is taken over from it",
            "it was set aside by an earlier version, or belongs to another store",
            "keep it elsewhere if batches in it were never delivered, then move it away: this ends when it is gone",
        ),
        (
            "{path} 是以前损坏的存储文件；不会再从中接管数据",
            "由旧版本另存，或属于其他存储",
            "如其中有未送达的批次请另行保存，然后移走该文件：移走后本提示即消失",
        ),
    ),
    "E-STO-120": (
        (
            "batch {seq} was not sealed: the rows that were taken for it have changed meanwhile",
            "the poller gave readings their true time while the batch was built",
            "nothing is to be done: what is there now is taken again; nothing was changed in the store",
        ),
        (
            "批次 {seq} 未封存：为其取出的记录已被更改",
            "封装批次期间，抄读进程校正了读数的时间",
            "无需处理：将按现有记录重新取出；存储未被改动",
        ),
    ),
    "E-STO-121": (
        (
            "the disk is full, {path} cannot be used: {detail}",
            "other files fill the disk, or it is too small for store.max_mib",
            "free disk space: df -h and du -x -d 2 on the disk show what fills it; edge goes on by itself, or start it",
        ),
        (
            "磁盘已满，{path} 无法使用：{detail}",
            "磁盘被其他文件占满，或磁盘小于 store.max_mib 的需要",
            "请清理磁盘：用 df -h 和 du -x -d 2 查看占用；edge 会自行恢复，已退出时请重新启动",
        ),
    ),
    "E-STO-122": (
        (
            "the disk of the store {path} is nearly full: {left} MiB left, the store holds {used} MiB",
            "other files fill the disk, or it is too small for store.max_mib",
            "free disk space before readings have to go: df -h and du -x -d 2 on the disk show what fills it",
        ),
        (
            "存储 {path} 所在磁盘即将写满：剩余 {left} MiB，存储占用 {used} MiB",
            "磁盘被其他文件占满，或磁盘小于 store.max_mib 的需要",
            "请在读数被舍弃之前清理磁盘：用 df -h 和 du -x -d 2 查看占用",
        ),
    ),
    "E-STO-123": (
        (
            "the store {path} was deleted, moved away or replaced while edge was running",
            "somebody or another program did it",
            "find out who did; edge ends, puts a deleted one back, and the service starts it anew",
        ),
        (
            "edge 运行期间，存储 {path} 被删除、移走或替换",
            "有人或其他程序所为",
            "请查明原因；edge 将退出并恢复被删除的文件，随后由服务重新启动",
        ),
    ),
    "E-STO-124": (
        (
            "the store {path} was no longer there: a new one was begun",
            "deleted, moved away or emptied while edge was stopped; what had not reached the centre is named to it",
            "find out who did; leave a file that was moved where it is; read and delete {note}: this ends then",
        ),
        (
            "存储 {path} 已不存在：已建立新的存储",
            "edge 停止期间该文件被删除、移走或清空；未送达的数据将按时点报告主站",
            "请查明原因；被移走的旧文件无需放回；阅读并删除说明文件 {note}，本提示即消失",
        ),
    ),
    "E-STO-201": (
        (
            "{address} is no meter address",
            "an address has exactly 12 digits, leading zeros included, as on the nameplate",
            "type all 12 digits; fill with zeros on the left if the nameplate shows fewer",
        ),
        (
            "{address} 不是有效的表地址",
            "表地址为 12 位数字，包括前面的零，与铭牌一致",
            "请输入全部 12 位；铭牌位数不足时在左侧补零",
        ),
    ),
    "E-STO-202": (
        (
            "{address} is the address of all meters, not of one",
            "999999999999 (broadcast) and AAAAAAAAAAAA (whoever is there) are reserved by DL/T 645",
            "take the address from the meter's nameplate, or find it with edge scan",
        ),
        (
            "{address} 是通用地址，不代表某一块表",
            "DL/T 645 保留 999999999999（广播）和 AAAAAAAAAAAA（通配）",
            "请使用铭牌上的地址，或用 edge scan 查找",
        ),
    ),
    "E-STO-203": (
        (
            'meter {address}: {field} "{value}" cannot be: {rule}',
            "a typing mistake, or a column that belongs to something else",
            "correct this value and try again; nothing was changed",
        ),
        (
            "电表 {address}：{field} “{value}” 无效：{rule}",
            "输入有误，或该列内容不属于此字段",
            "请改正后重试；未作任何改动",
        ),
    ),
    "E-STO-204": (
        (
            "meter {address} is in the register already",
            "it was added before, or two meters carry the same number",
            "edge meters list shows it; edge meters import changes what is there",
        ),
        (
            "电表 {address} 已在档案中",
            "此前已添加，或两块表号码相同",
            "edge meters list 可查看；修改请用 edge meters import",
        ),
    ),
    "E-STO-205": (
        (
            "meter {address} is not in the register",
            "a typing mistake, or it was removed before",
            "edge meters list shows the meters that are there",
        ),
        (
            "电表 {address} 不在档案中",
            "输入有误，或此前已删除",
            "edge meters list 可查看现有电表",
        ),
    ),
    "E-STO-206": (
        (
            "the meter register {path} is damaged, and its backup copy too: {detail}",
            "the card gave back other data than was written, or somebody edited the file by hand",
            "move both files away and import the meter list again: edge meters import",
        ),
        (
            "电表档案 {path} 及其备份均已损坏：{detail}",
            "存储卡读出的数据与写入的不符，或文件被手工修改",
            "请移走这两个文件，然后用 edge meters import 重新导入电表清单",
        ),
    ),
    "E-STO-207": (
        (
            "the meter register is in use: {holder}",
            "the daemon or another edge command holds it",
            "wait for the other command to end, or stop the daemon; see edge status",
        ),
        (
            "电表档案正被占用：{holder}",
            "守护进程或另一条 edge 命令正在使用",
            "等待另一条命令结束，或停止守护进程；参见 edge status",
        ),
    ),
    "E-STO-208": (
        (
            "the meter register {path} is of version {version}, this program knows version {known}",
            "a newer edge wrote it and an older one was installed afterwards",
            "install the newer edge again; the register is untouched",
        ),
        (
            "电表档案 {path} 的版本为 {version}，本程序支持 {known}",
            "该档案由更新版本的 edge 写入，之后又安装了旧版本",
            "请重新安装较新的 edge；档案未被改动",
        ),
    ),
    "E-STO-209": (
        (
            "the meter register {path} could not be read ({detail}); its backup copy is used",
            "power failed while it was written, or the card is failing",
            "compare edge meters list with the cabinet: the last change may be missing; then do it again",
        ),
        (
            "无法读取电表档案 {path}（{detail}），已使用备份",
            "写入时断电，或存储卡有故障",
            "请用 edge meters list 与现场核对：最后一次修改可能丢失，必要时重做",
        ),
    ),
    "E-STO-210": (
        (
            "the meter register {path} cannot be read or written: {detail}",
            "the state directory is missing, belongs to another user, or the disk is full",
            "check the directory's owner and the free space (ls -ld, df); nothing was changed",
        ),
        (
            "无法读写电表档案 {path}：{detail}",
            "状态目录不存在、属于其他用户，或磁盘已满",
            "检查目录属主和剩余空间（ls -ld、df）；未作任何改动",
        ),
    ),
    "E-STO-211": (
        (
            "the meter register {path} is gone, and {count} meters were polled: nothing is polled",
            "the register and its backup copy were deleted or moved away",
            "put the files back and restart, or use edge meters import; the centre still expects these meters",
        ),
        (
            "电表档案 {path} 已不存在，此前抄读 {count} 块电表：现已停止抄读",
            "档案及其备份被删除或移走",
            "请放回文件并重新启动，或用 edge meters import 导入电表清单；主站仍在等待这些电表",
        ),
    ),
    "E-STO-301": (
        (
            "the meter list {path} has {count} mistakes; nothing was changed",
            "the rows named above hold values that cannot be",
            "correct these rows and import the list again",
        ),
        (
            "电表清单 {path} 有 {count} 处错误；未作任何改动",
            "上面列出的行含有无效内容",
            "请改正这些行后重新导入",
        ),
    ),
    "E-STO-302": (
        (
            "the meter list {path} cannot be read: {detail}",
            "it is no text of UTF-8, GB18030 or UTF-16 with a mark, or no table at all",
            "save it as CSV UTF-8 in the spreadsheet program and import that file",
        ),
        (
            "无法读取电表清单 {path}：{detail}",
            "文件不是 UTF-8、GB18030 或带标记的 UTF-16 文本，或根本不是表格",
            "请在表格软件中另存为“CSV UTF-8”后再导入",
        ),
    ),
    "E-STO-303": (
        (
            "the meter list {path} has no column of addresses",
            "the first row must hold the headings; these were found: {found}",
            'name the column "address" or "表地址"; edge meters export shows all headings',
        ),
        (
            "电表清单 {path} 没有表地址列",
            "第一行应为列标题；找到的标题：{found}",
            "请将该列命名为“表地址”或“address”；edge meters export 可查看全部列标题",
        ),
    ),
    "E-STO-304": (
        (
            "row {row}: zeros added to {value}: {address}, please compare with the nameplate",
            "the spreadsheet program dropped the zeros on the left",
            "compare this address with the nameplate; format the column as text before typing addresses",
        ),
        (
            "第 {row} 行：{value} 左侧已补零为 {address}，请与铭牌核对",
            "表格软件去掉了左侧的零",
            "请与铭牌核对该地址；输入地址前请将该列设为文本格式",
        ),
    ),
    "E-STO-305": (
        (
            "row {row}: {value} is no address any more",
            "the spreadsheet program turned it into a number and digits are lost",
            "format the column as text and type this address again from the nameplate",
        ),
        (
            "第 {row} 行：{value} 已不是有效地址",
            "表格软件已将其转为数值，部分数字丢失",
            "请将该列设为文本格式，并按铭牌重新输入该地址",
        ),
    ),
    "E-STO-306": (
        (
            "the Excel file {path} cannot be read here: {detail}",
            "reading Excel files needs the package openpyxl, which is not installed",
            "save the list as CSV UTF-8 and import that; or install edge with its extra: edge[excel]",
        ),
        (
            "此处无法读取 Excel 文件 {path}：{detail}",
            "读取 Excel 文件需要 openpyxl，本机未安装",
            "请另存为“CSV UTF-8”后导入，或安装附加组件 edge[excel]",
        ),
    ),
    "E-STO-307": (
        (
            "row {row}: meter {address} stands in row {first} already",
            "the row was copied, or two meters carry the same number",
            "delete one of the two rows",
        ),
        (
            "第 {row} 行：电表 {address} 已出现在第 {first} 行",
            "该行被重复复制，或两块表号码相同",
            "请删除其中一行",
        ),
    ),
    "E-STO-308": (
        (
            'row {row}: meter {address}: bus "{bus}" is not in the settings',
            "the name differs from the names of the buses in edge.toml: {known}",
            "correct the name in the list, or add the bus to edge.toml",
        ),
        (
            "第 {row} 行：电表 {address}：配置中没有总线“{bus}”",
            "名称与 edge.toml 中的总线名称不一致：{known}",
            "请改正清单中的名称，或在 edge.toml 中添加该总线",
        ),
    ),
    "E-STO-309": (
        (
            "row {row}: meter {address} has no bus",
            "the list has no column of buses, and the settings know none or several",
            "fill in the column bus, or name one for all rows with --bus",
        ),
        (
            "第 {row} 行：电表 {address} 未指定总线",
            "清单没有总线列，而配置中没有或有多条总线",
            "请填写总线列，或用 --bus 为所有行指定",
        ),
    ),
    "E-STO-310": (
        (
            "row {row}: {detail}",
            "the row does not fit the headings: a separator inside of a value, or a cell that slipped",
            "put values that hold a separator in quotes; every row has as many cells as there are headings",
        ),
        (
            "第 {row} 行：{detail}",
            "该行与列标题不符：内容中含有分隔符，或单元格错位",
            "含分隔符的内容请加引号；每行单元格数应与标题一致",
        ),
    ),
    "E-STO-311": (
        (
            'column "{column}" is not known and is left out',
            "the list holds more than the register does",
            "nothing to do, unless the heading is mistyped; edge meters export shows all headings",
        ),
        (
            "列“{column}”无法识别，已忽略",
            "清单内容多于档案所需",
            "如非标题笔误则无需处理；edge meters export 可查看全部列标题",
        ),
    ),
    "E-STO-312": (
        (
            'the meter list {path} names the column "{column}" twice',
            "two headings mean the same, in English or Chinese",
            "delete one of the two columns",
        ),
        (
            "电表清单 {path} 的列“{column}”出现两次",
            "两个标题含义相同（中文或英文）",
            "请删除其中一列",
        ),
    ),
    "E-STO-313": (
        (
            "row {row}: {value} is no meter address: {detail}",
            "an address has 12 digits, leading zeros included",
            "compare this row with the nameplate",
        ),
        (
            "第 {row} 行：{value} 不是有效的表地址：{detail}",
            "表地址为 12 位数字，包括前面的零",
            "请与铭牌核对该行",
        ),
    ),
    "E-STO-314": (
        (
            "the import would remove {count} meters; nothing was changed",
            "--replace removes every meter that is not in the list",
            "look at the list of removed meters above; say --yes if this is meant",
        ),
        (
            "本次导入将删除 {count} 块电表；未作任何改动",
            "--replace 会删除清单中没有的电表",
            "请查看上面将被删除的电表；确认无误请加 --yes",
        ),
    ),
    "E-STO-315": (
        (
            "the file {path} cannot be written: {detail}",
            "the folder is missing or belongs to another user, or the disk is full",
            "name another file with --output",
        ),
        (
            "无法写入文件 {path}：{detail}",
            "目录不存在、属于其他用户，或磁盘已满",
            "请用 --output 指定其他文件",
        ),
    ),
    "E-STO-316": (
        (
            "the meter list {path} has more than {most} rows",
            "it is the list of many gateways, or another table",
            "import only the meters on the buses of this gateway",
        ),
        (
            "电表清单 {path} 超过 {most} 行",
            "该清单包含多个网关的电表，或不是电表清单",
            "请只导入本网关总线上的电表",
        ),
    ),
}
