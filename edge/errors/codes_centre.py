"""Codes of the centre: its folder (1xx), what gateways sent (2xx), its ledger (3xx), its broker (4xx)."""

from edge.errors.shape import Codes

CODES: Codes = {
    "E-CEN-101": (
        (
            "{path} exists already",
            "a centre was made in this folder before; its key must not be lost",
            "choose another folder, or use the centre that is there: edge centre run {folder}",
        ),
        (
            "{path} 已存在",
            "该目录中已建立过主站，其密钥不能丢失",
            "另选目录，或直接使用已有主站：edge centre run {folder}",
        ),
    ),
    "E-CEN-102": (
        (
            '"{name}" is no name of a gateway',
            "a name has 1 to 32 letters, digits, - or _; c is the centre itself",
            "give the id that stands in the gateway's edge.toml, table [gateway]",
        ),
        (
            "“{name}”不是有效的网关名称",
            "名称由 1 到 32 个字母、数字、- 或 _ 组成；c 指主站自身",
            "请使用网关 edge.toml 中 [gateway] 表里的 id",
        ),
    ),
    "E-CEN-103": (
        (
            "gateway {gateway} is enrolled with another key",
            "the gateway made a new key, or somebody else claims its name",
            "compare the fingerprints with the person at the gateway; then enrol again with --replace",
        ),
        (
            "网关 {gateway} 已用另一把密钥登记",
            "网关更换了密钥，或有人冒用其名称",
            "与现场人员核对指纹，确认后加 --replace 重新登记",
        ),
    ),
    "E-CEN-104": (
        (
            "{path}, line {line}: {detail}",
            "the meter list has a column `address` (表地址) with 12 digits in each row; Excel drops leading zeros",
            "correct the list (edge meters export writes a right one) and import it again",
        ),
        (
            "{path} 第 {line} 行：{detail}",
            "表计清单须有 address（表地址）列，每行 12 位数字；Excel 会丢失前导零",
            "改正清单（edge meters export 可导出正确格式）后重新导入",
        ),
    ),
    "E-CEN-105": (
        (
            '"{text}" is no date or time',
            "it is written as 2026-11-23 or 2026-11-23T08:00, with +08:00 or Z if it is not this machine's time",
            "write it so",
        ),
        (
            "“{text}”不是有效的日期或时间",
            "写法为 2026-11-23 或 2026-11-23T08:00；非本机时区时加 +08:00 或 Z",
            "请按此格式填写",
        ),
    ),
    "E-CEN-106": (
        (
            "{path} cannot be read or written: {detail}",
            "the folder does not exist, the disk is full, or this user has no right to it",
            "check the folder and run the command as the user that owns it",
        ),
        (
            "无法读写 {path}：{detail}",
            "目录不存在、磁盘已满或当前用户无权限",
            "检查该目录，并以其所有者身份运行命令",
        ),
    ),
    "E-CEN-107": (
        (
            "nothing to enrol",
            "neither a gateway with its public key nor a meter list was given",
            "edge centre enrol {folder} GATEWAY PUBFILE, or edge centre enrol {folder} --meters FILE",
        ),
        (
            "没有可登记的内容",
            "既未给出网关及其公钥，也未给出表计清单",
            "edge centre enrol {folder} 网关名 公钥文件，或 edge centre enrol {folder} --meters 文件",
        ),
    ),
    "E-CEN-108": (
        (
            "{url} is no address of a PostgreSQL database",
            "it is written as postgresql://user@host:5432/database; special characters as %40 and the like",
            "write it so; leave the password to a file that PGPASSFILE names",
        ),
        (
            "{url} 不是有效的 PostgreSQL 数据库地址",
            "写法为 postgresql://用户@主机:5432/数据库；特殊字符写成 %40 等形式",
            "请按此格式填写；密码放在 PGPASSFILE 所指的文件中",
        ),
    ),
    "E-CEN-109": (
        (
            "the program's part for PostgreSQL is not installed",
            "the package psycopg is missing; a gateway does not need it",
            "pip install 'edge[postgres]'",
        ),
        (
            "未安装 PostgreSQL 支持",
            "缺少 psycopg 软件包；网关不需要它",
            "pip install 'edge[postgres]'",
        ),
    ),
    "E-CEN-110": (
        (
            'durable = "replica" needs a ledger in PostgreSQL, and this one is the file {path}',
            "a SQLite file has no standby",
            'set durable = "backup" and run edge centre backup, or name a database',
        ),
        (
            'durable = "replica" 需要 PostgreSQL 台账，而当前台账是文件 {path}',
            "SQLite 文件没有备用服务器",
            '设置 durable = "backup" 并定期执行 edge centre backup，或指定数据库',
        ),
    ),
    "E-CEN-111": (
        (
            'no gateway "{gateway}" is enrolled here, and none was heard',
            "its name is misspelt, or it belongs to another centre",
            "edge centre completeness without --gateway names those that are known",
        ),
        (
            "本主站没有登记也没有收到过网关“{gateway}”",
            "名称拼写错误，或它属于另一个主站",
            "不加 --gateway 运行 edge centre completeness 可列出已知网关",
        ),
    ),
    "E-CEN-112": (
        (
            "the span from {since} to {until} has no slots",
            "its end is not after its beginning; without --to it ends now",
            "give --from before --to",
        ),
        (
            "从 {since} 到 {until} 的时段为空",
            "结束时间不晚于开始时间；不给 --to 时以当前时间结束",
            "请使 --from 早于 --to",
        ),
    ),
    "E-CEN-113": (
        (
            "there is no centre in {folder}: it has no {name}",
            "the folder is another one, or no centre was made in it yet",
            "make one: edge centre init {folder}; or name the folder in which one was made",
        ),
        (
            "{folder} 中没有主站：缺少 {name}",
            "目录不对，或尚未在其中建立主站",
            "建立主站：edge centre init {folder}；或指定已建立主站的目录",
        ),
    ),
    "E-CEN-114": (
        (
            'durable = "replica" needs the name of the standby that counts',
            "whoever follows the database's log would count else, also one that keeps no copy",
            'set standby = "NAME" in centre.toml, [centre]: the application_name in that standby\'s primary_conninfo',
        ),
        (
            'durable = "replica" 需要指明作数的备用服务器名称',
            "否则任何读取数据库日志的程序都会算数，包括并不保存副本的程序",
            '在 centre.toml 的 [centre] 表中设置 standby = "名称"，即备用服务器 primary_conninfo 中的 application_name',
        ),
    ),
    "E-CEN-115": (
        (
            "{text} lies outside the years that can be reckoned with",
            "instants are kept in UTC, from the year 1 to the year 9999",
            "give a date of a year in which there were readings, or leave the option away",
        ),
        (
            "{text} 超出可计算的年份范围",
            "时间以 UTC 保存，范围为公元 1 年至 9999 年",
            "请使用有读数的年份的日期，或不加该选项",
        ),
    ),
    "E-CEN-116": (
        (
            "{path} is the public key of this centre, not a gateway's",
            "centre.pub goes to the gateways; what is enrolled here is the key that edge keys new made at the gateway",
            "fetch the gateway's public key (edge keys show there) and enrol that",
        ),
        (
            "{path} 是本主站的公钥，不是网关的公钥",
            "centre.pub 要复制到网关；此处登记的是网关上 edge keys new 生成的公钥",
            "取得网关的公钥（在网关上执行 edge keys show）后登记",
        ),
    ),
    "E-CEN-117": (
        (
            "the key {path} is enrolled already, for gateway {other}",
            "the wrong file was named, or the gateway got another name; two gateways never share a key",
            "name the key of gateway {gateway}; if it is {other} under a new name, make it a new key: edge keys new",
        ),
        (
            "密钥 {path} 已登记给网关 {other}",
            "文件选错，或网关改了名称；两台网关不能共用一把密钥",
            "请指定网关 {gateway} 的公钥；若它就是改名后的 {other}，请用 edge keys new 生成新密钥",
        ),
    ),
    "E-CEN-201": (
        (
            "fork: gateway {gateway} signed two different batches under number {seq}",
            "the gateway was restored from a copy or cloned, or its key is in other hands",
            "find out whether two boxes use this key; the second batch is in quarantine, the first one counts",
        ),
        (
            "分叉：网关 {gateway} 用同一序号 {seq} 签署了两个不同批次",
            "网关从备份恢复或被克隆，或其密钥已泄露",
            "查明是否有两台设备使用同一密钥；第二个批次已隔离，以第一个为准",
        ),
    ),
    "E-CEN-202": (
        (
            "refused: a message under the name of gateway {gateway} does not hold ({reason})",
            "the gateway is not enrolled here, its key was changed, or the message was forged or damaged",
            "edge centre enrol with the gateway's public key; if it is enrolled, ask who else uses the broker",
        ),
        (
            "拒收：以网关 {gateway} 名义发来的消息验证不通过（{reason}）",
            "网关未在此登记、密钥已更换，或消息被伪造或损坏",
            "用网关公钥执行 edge centre enrol；若已登记，请查明还有谁在使用该MQTT 代理",
        ),
    ),
    "E-CEN-203": (
        (
            "rejected: batch {seq} of gateway {gateway} is signed but cannot be taken in ({reason})",
            "its chain is broken, or the gateway runs a version that writes what this centre cannot read",
            "compare the versions of gateway and centre; after an upgrade here: edge centre reread; the evidence stays",
        ),
        (
            "退回：网关 {gateway} 的批次 {seq} 签名有效但无法入库（{reason}）",
            "链条断裂，或网关版本写出了本主站无法读取的内容",
            "核对网关与主站版本；主站升级后执行 edge centre reread；原始批次作为证据保留",
        ),
    ),
    "E-CEN-301": (
        (
            "the ledger {path} does not obey: {detail}",
            "the disk is failing or not writable, or another program holds the file",
            "check the disk and the file's owner; nothing was acknowledged, the gateways send again",
        ),
        (
            "台账 {path} 无法使用：{detail}",
            "磁盘故障或不可写，或文件被其他程序占用",
            "检查磁盘和文件所有者；未入库的内容不会确认，网关会重发",
        ),
    ),
    "E-CEN-302": (
        (
            "no room for the ledger {path}: {detail}",
            "the disk is full",
            "make room; nothing was acknowledged, the gateways send again",
        ),
        (
            "台账 {path} 空间不足：{detail}",
            "磁盘已满",
            "清理空间；未入库的内容不会确认，网关会重发",
        ),
    ),
    "E-CEN-303": (
        (
            "there is no ledger at {path}",
            "no gateway was heard yet, or the folder is another one",
            "edge centre run first, or name the folder that it uses",
        ),
        (
            "{path} 处没有台账",
            "尚未收到任何网关数据，或目录不对",
            "先运行 edge centre run，或指定其使用的目录",
        ),
    ),
    "E-CEN-304": (
        (
            "the ledger {path} is of layout {found}, this program knows up to {known}",
            "a newer version of edge wrote it",
            "use that version; the file was not changed",
        ),
        (
            "台账 {path} 的格式版本为 {found}，本程序最高支持 {known}",
            "该文件由更新版本的 edge 写入",
            "请使用该版本；文件未被改动",
        ),
    ),
    "E-CEN-305": (
        (
            "another centre runs on the ledger {path}",
            "two centres with one ledger would answer the gateways side by side",
            "stop the other one first; it holds the ledger until its process has ended",
        ),
        (
            "另一个主站正在使用台账 {path}",
            "两个主站共用一个台账会同时应答网关",
            "请先停止另一个主站；其进程结束后台账自动释放",
        ),
    ),
    "E-CEN-306": (
        (
            "the ledger's database {path} cannot be reached: {detail}",
            "the server is down or starting, or the network is cut",
            "start the server; edge centre run waits for it; nothing was acknowledged, the gateways send again",
        ),
        (
            "无法连接台账数据库 {path}：{detail}",
            "服务器未运行或正在启动，或网络中断",
            "启动服务器；edge centre run 会一直等待；未入库的内容不会确认，网关会重发",
        ),
    ),
    "E-CEN-307": (
        (
            "the copy {path} was not made: {detail}",
            "no room, no right to write there, or pg_dump is missing or older than the server",
            "make room or choose another folder; what is durable did not change, gateways keep what they have",
        ),
        (
            "备份 {path} 未完成：{detail}",
            "空间不足、无写入权限，或缺少 pg_dump 或其版本低于服务器",
            "清理空间或另选目录；durable 未改变，网关仍保留数据",
        ),
    ),
    "E-CEN-308": (
        (
            "the ledger's database {path} is set up so that it could lose what it has committed: {detail}",
            "PostgreSQL runs with fsync = off, or the database is not in UTF-8",
            "set fsync = on and restart the server, or make the database with ENCODING 'UTF8'",
        ),
        (
            "台账数据库 {path} 的设置可能丢失已提交的数据：{detail}",
            "PostgreSQL 以 fsync = off 运行，或数据库编码不是 UTF-8",
            "设置 fsync = on 并重启服务器，或用 ENCODING 'UTF8' 新建数据库",
        ),
    ),
    "E-CEN-309": (
        (
            "the positions of the standbys of {path} cannot be seen",
            "the login has no right to read pg_stat_replication in full",
            "GRANT pg_monitor TO that login; until then nothing becomes durable",
        ),
        (
            "看不到 {path} 的备用服务器的复制位置",
            "该登录名无权完整读取 pg_stat_replication",
            "对该登录名执行 GRANT pg_monitor；在此之前不会有数据成为 durable",
        ),
    ),
    "E-CEN-310": (
        (
            "the database server refuses the connection to {path}: {detail}",
            "the server is there, but login or password is wrong, the database does not exist, or pg_hba.conf bars it",
            "correct `database` in centre.toml or the file that PGPASSFILE names, or make login and database",
        ),
        (
            "数据库服务器拒绝连接 {path}：{detail}",
            "服务器在运行，但登录名或密码错误、数据库不存在，或 pg_hba.conf 不允许",
            "改正 centre.toml 中的 database 或 PGPASSFILE 所指的文件，或创建登录名和数据库",
        ),
    ),
    "E-CEN-311": (
        (
            "the login may not do in the database {path} what a ledger needs: {detail}",
            "it owns neither the database nor the tables in it; since PostgreSQL 15 others may make no tables there",
            "ALTER DATABASE ... OWNER TO that login; tables that others made: ALTER TABLE ... OWNER TO that login",
        ),
        (
            "该登录名在数据库 {path} 中权限不足：{detail}",
            "它既不是数据库的所有者，也不是其中各表的所有者；自 PostgreSQL 15 起其他用户不能在其中建表",
            "执行 ALTER DATABASE ... OWNER TO 该登录名；他人所建的表：ALTER TABLE ... OWNER TO 该登录名",
        ),
    ),
    "E-CEN-312": (
        (
            "the host of the database {path} is not known: {detail}",
            "its name is misspelt, or it is not in DNS or /etc/hosts of this machine",
            "correct the host in `database` of centre.toml or in --database, or give its address",
        ),
        (
            "数据库 {path} 的主机名无法识别：{detail}",
            "主机名拼写错误，或不在本机的 DNS 或 /etc/hosts 中",
            "改正 centre.toml 的 database 或 --database 中的主机名，或直接使用 IP 地址",
        ),
    ),
    "E-CEN-313": (
        (
            "the ledger {path} holds something already: {detail}",
            "a restore would put the copy in its place",
            "restore into another folder or an empty database, or say --replace",
        ),
        (
            "台账 {path} 中已有内容：{detail}",
            "恢复会用备份取代它",
            "恢复到其他目录或空数据库，或加 --replace",
        ),
    ),
    "E-CEN-314": (
        (
            "{path} is no backup that fits: {detail}",
            "a backup is a folder named by its instant, with backup.json and ledger.db or ledger.dump in it",
            "name that folder; a ledger.db goes into a file, a ledger.dump into a PostgreSQL database",
        ),
        (
            "{path} 不是可用的备份：{detail}",
            "edge centre backup 会创建以时间命名的目录，内含 backup.json 以及 ledger.db 或 ledger.dump",
            "请指定该目录；ledger.db 用于文件台账，ledger.dump 用于 PostgreSQL 数据库",
        ),
    ),
    "E-CEN-315": (
        (
            "the backup {path} is older than what gateways were told to forget: {detail}",
            "they deleted batches that this backup does not hold; nobody could send them again",
            "restore a newer backup; if there is none, --accept-loss restores this one, and gateways name what is gone",
        ),
        (
            "备份 {path} 早于已允许网关删除的内容：{detail}",
            "网关已删除该备份中没有的批次，无人能够重发",
            "恢复更新的备份；若没有，可加 --accept-loss 恢复此备份，网关会报告缺失内容",
        ),
    ),
    "E-CEN-316": (
        (
            "the ledger {path} is of an older layout {found}, and somebody works with it",
            "a centre of an older version of edge runs on it, or another command is bringing it forward now",
            "stop the older centre, or wait until the other command is done, and start again; nothing was changed",
        ),
        (
            "台账 {path} 的格式版本较旧（{found}），且正在被使用",
            "旧版本的主站正在使用它，或另一命令正在升级它",
            "停止旧版主站，或等待另一命令完成后重新启动；台账未被改动",
        ),
    ),
    "E-CEN-317": (
        (
            "the ledger {path} was not brought forward from layout {found}: {detail}",
            "no room or no right for the copy that is kept of the older ledger",
            "make room beside the ledger (twice its size) and start again; nothing was changed",
        ),
        (
            "台账 {path} 未能从格式版本 {found} 升级：{detail}",
            "没有空间或权限保存旧台账的副本",
            "在台账所在磁盘留出其两倍大小的空间后重新启动；台账未被改动",
        ),
    ),
    "E-CEN-318": (
        (
            "the backup {path} was not restored: {detail}",
            "the copy is damaged, no room, or pg_restore is missing or older than the pg_dump that made the copy",
            "what was there is still there: mend the cause, or take another backup",
        ),
        (
            "备份 {path} 未能恢复：{detail}",
            "副本损坏、空间不足，或缺少 pg_restore 或其版本低于生成副本的 pg_dump",
            "原有台账保持不变：排除原因，或改用另一个备份",
        ),
    ),
    "E-CEN-319": (
        (
            "the copy {path} is whole, but perhaps not known to the ledger: {detail}",
            "the ledger failed while it noted that the copy counts: gateways may forget what is in it",
            "keep this copy, restore no older one, and make another once the ledger works",
        ),
        (
            "备份 {path} 完整，但台账可能未记录：{detail}",
            "记录该备份生效时台账出错：网关可能已删除其中的数据",
            "保留该备份，不要恢复更早的备份；台账恢复正常后再做一次",
        ),
    ),
    "E-CEN-401": (
        (
            "the broker denies the centre these topics: {topics}",
            "the broker's access list does not let this login read them",
            "let the centre read e1/TENANT/+/up/b/+ and e1/TENANT/+/st, and write e1/TENANT/+/dn/rc and e1/TENANT/c/st",
        ),
        (
            "MQTT 代理不允许主站订阅：{topics}",
            "服务器访问控制表未授权该登录名读取",
            "允许主站读 e1/租户/+/up/b/+ 和 e1/租户/+/st，写 e1/租户/+/dn/rc 和 e1/租户/c/st",
        ),
    ),
    "E-CEN-402": (
        (
            "the connection to the broker ended",
            "the broker was stopped, or the network went away",
            "nothing to do: the centre connects again by itself",
        ),
        (
            "与MQTT 代理的连接已断开",
            "服务器停止或网络中断",
            "无需处理：主站会自动重连",
        ),
    ),
}
