"""Codes of forwarding: the way to the broker (1xx) and delivery to the centre (2xx)."""

from edge.errors.shape import Codes

CODES: Codes = {
    "E-FWD-101": (
        (
            "the name {host} was not found: {detail}",
            "the name is wrong, or this box has no working name server",
            "check the endpoint in edge.toml; getent hosts {host}",
        ),
        (
            "找不到主机名 {host}：{detail}",
            "名称写错，或本机没有可用的域名服务器",
            "检查 edge.toml 中的 endpoints；getent hosts {host}",
        ),
    ),
    "E-FWD-102": (
        (
            "{host}:{port} refuses the connection",
            "no broker listens there, or a firewall rejects it",
            "check host and port in edge.toml; ask the centre whether the broker runs",
        ),
        (
            "{host}:{port} 拒绝连接",
            "该处没有 broker 监听，或被防火墙拒绝",
            "检查 edge.toml 中的主机和端口；向主站确认 broker 是否运行",
        ),
    ),
    "E-FWD-103": (
        (
            "{host}:{port} does not answer the connection",
            "no way through the network, or a firewall drops the packets in silence",
            "check the mobile signal or cable and the firewall; readings are kept meanwhile",
        ),
        (
            "{host}:{port} 对连接没有反应",
            "网络不通，或防火墙静默丢弃报文",
            "检查移动信号或网线及防火墙；抄表数据会保留",
        ),
    ),
    "E-FWD-104": (
        (
            "there is no route to {host}:{port}: {detail}",
            "the network interface is down or has no address",
            "check modem or cable: ip address; readings are kept meanwhile",
        ),
        (
            "没有到 {host}:{port} 的路由：{detail}",
            "网络接口未启动或没有地址",
            "检查调制解调器或网线：ip address；抄表数据会保留",
        ),
    ),
    "E-FWD-105": (
        (
            "{host}:{port} closed the connection before the login: {detail}",
            "no MQTT broker listens there, or it wants TLS where edge.toml says mqtt://, or it is overloaded",
            "check scheme and port: mqtts:// with 8883, mqtt:// with 1883",
        ),
        (
            "{host}:{port} 在登录前关闭了连接：{detail}",
            "该处不是 MQTT broker，或它要求 TLS 而 edge.toml 写的是 mqtt://，或它过载",
            "检查协议和端口：mqtts:// 用 8883，mqtt:// 用 1883",
        ),
    ),
    "E-FWD-106": (
        (
            "the connection to {host}:{port} is gone: {detail}",
            "the network broke, the broker stopped, or another program logged in with the same id",
            "nothing: it is tried again; if it repeats, look for a second gateway or a second centre with this id",
        ),
        (
            "与 {host}:{port} 的连接已断开：{detail}",
            "网络中断、broker 停止，或另一程序用同一标识登录",
            "无需操作，会自动重试；若反复出现，检查是否有相同标识的第二台网关或第二个主站",
        ),
    ),
    "E-FWD-107": (
        (
            "{host}:{port} took the connection but did not answer the login",
            "something other than an MQTT broker listens there, or the broker hangs",
            "check the port; ask the centre to look at the broker",
        ),
        (
            "{host}:{port} 接受了连接但未应答登录",
            "该处监听的不是 MQTT broker，或 broker 卡死",
            "检查端口；请主站查看 broker",
        ),
    ),
    "E-FWD-108": (
        (
            "the broker does not answer the subscription to {topic}",
            "the broker hangs or is overloaded",
            "nothing: the next broker is tried; if it repeats, ask the centre to look at the broker",
        ),
        (
            "broker 未应答对 {topic} 的订阅",
            "broker 卡死或过载",
            "无需操作，会尝试下一个 broker；若反复出现请主站查看 broker",
        ),
    ),
    "E-FWD-109": (
        (
            "edge.toml names no broker",
            "the table [mqtt] is missing",
            'add [mqtt] with endpoints = ["mqtts://broker.example:8883"]; until then readings stay here',
        ),
        (
            "edge.toml 中没有 broker",
            "缺少 [mqtt] 表",
            '添加 [mqtt] 及 endpoints = ["mqtts://broker.example:8883"]；在此之前数据保留在本机',
        ),
    ),
    "E-FWD-110": (
        (
            '"{url}" is no broker',
            "the address is not of the form mqtts://host:port",
            "write it like mqtts://broker.example:8883",
        ),
        ("“{url}” 不是 broker 地址", "地址不符合 mqtts://host:port 的形式", "请写成 mqtts://broker.example:8883"),
    ),
    "E-FWD-111": (
        (
            "the certificate of {host}:{port} is not trusted: {detail}",
            "it was signed by another CA than the one in edge.toml, or somebody stands in between",
            "compare the CA file with the centre's; do not go on with a CA that somebody hands you on site",
        ),
        (
            "{host}:{port} 的证书不受信任：{detail}",
            "证书不是由 edge.toml 中的 CA 签发，或有人从中拦截",
            "与主站核对 CA 文件；不要使用现场他人提供的 CA",
        ),
    ),
    "E-FWD-112": (
        (
            "the certificate of {host}:{port} is for another name: {detail}",
            "edge.toml names the broker differently from its certificate, or somebody stands in between",
            "write the endpoint with the name that stands in the certificate",
        ),
        (
            "{host}:{port} 的证书属于另一名称：{detail}",
            "edge.toml 中的 broker 名称与证书不符，或有人从中拦截",
            "endpoints 请使用证书中的名称",
        ),
    ),
    "E-FWD-113": (
        (
            "the certificate of {host}:{port} has expired: {detail}",
            "it was not renewed in time, or this box's clock is far ahead",
            "date shows this box's clock; if it is right, the centre renews the broker's certificate",
        ),
        (
            "{host}:{port} 的证书已过期：{detail}",
            "证书未及时更新，或本机时钟超前太多",
            "用 date 查看本机时钟；若时钟正确，请主站更新 broker 证书",
        ),
    ),
    "E-FWD-114": (
        (
            "the certificate of {host}:{port} is not valid yet: {detail}",
            "this box's clock is behind: it has no clock chip and no time from the network yet",
            "set the clock (timedatectl), or wait until the network gives the time",
        ),
        (
            "{host}:{port} 的证书尚未生效：{detail}",
            "本机时钟落后：没有时钟芯片，且尚未从网络取得时间",
            "校准时钟（timedatectl），或等待网络授时",
        ),
    ),
    "E-FWD-115": (
        (
            "{host}:{port} broke off after TLS, and this gateway showed no certificate: {detail}",
            "the broker demands a certificate from the gateway",
            "set certificate and key under [mqtt] in edge.toml",
        ),
        (
            "{host}:{port} 在 TLS 之后中断，而本网关未出示证书：{detail}",
            "broker 要求网关出示证书",
            "在 edge.toml 的 [mqtt] 下设置 certificate 和 key",
        ),
    ),
    "E-FWD-116": (
        (
            "{host}:{port} refuses this gateway's certificate: {detail}",
            "it has expired, was revoked, or was signed by a CA that the broker does not know",
            "have the centre sign a new certificate for this gateway",
        ),
        (
            "{host}:{port} 拒绝本网关的证书：{detail}",
            "证书已过期、被吊销，或其 CA 不被 broker 认可",
            "请主站为本网关签发新证书",
        ),
    ),
    "E-FWD-117": (
        (
            "no TLS with {host}:{port}: {detail}",
            "the port speaks no TLS, or only a version older than 1.2",
            "check the port (8883 for mqtts://); older versions are never used",
        ),
        (
            "无法与 {host}:{port} 建立 TLS：{detail}",
            "该端口不支持 TLS，或只支持 1.2 以前的版本",
            "检查端口（mqtts:// 用 8883）；不会使用旧版本",
        ),
    ),
    "E-FWD-118": (
        (
            "TLS files cannot be used ({files}): {detail}",
            "a file is missing, is not PEM, is encrypted, or key and certificate do not belong together",
            "check ca, certificate and key under [mqtt] in edge.toml",
        ),
        (
            "TLS 文件无法使用（{files}）：{detail}",
            "文件缺失、不是 PEM、已加密，或私钥与证书不匹配",
            "检查 edge.toml 中 [mqtt] 的 ca、certificate 和 key",
        ),
    ),
    "E-FWD-119": (
        (
            "the TLS key {path} is open to other users (mode {mode})",
            "the file was copied without its rights",
            "chmod 600 {path}; if others had access to this box, make a new key",
        ),
        (
            "TLS 私钥 {path} 可被其他用户读取（权限 {mode}）",
            "文件复制时权限未保留",
            "chmod 600 {path}；若他人曾可访问本机，请重新生成私钥",
        ),
    ),
    "E-FWD-121": (
        (
            "{host}:{port} refuses the login: wrong user name or password",
            "username or password_file under [mqtt] is wrong, or the broker does not know this gateway",
            "compare user name and password with the centre's",
        ),
        (
            "{host}:{port} 拒绝登录：用户名或密码错误",
            "[mqtt] 下的 username 或 password_file 有误，或 broker 不认识本网关",
            "与主站核对用户名和密码",
        ),
    ),
    "E-FWD-122": (
        (
            "{host}:{port} refuses the login: not authorised",
            "the broker wants a user name or certificate, or this gateway has no right there",
            "ask the centre to admit this gateway at the broker",
        ),
        (
            "{host}:{port} 拒绝登录：未授权",
            "broker 要求用户名或证书，或本网关没有权限",
            "请主站在 broker 上开通本网关",
        ),
    ),
    "E-FWD-123": (
        (
            "{host}:{port} refuses this gateway's id",
            "the broker allows only certain client ids",
            "compare gateway.id in edge.toml with what the centre has",
        ),
        (
            "{host}:{port} 拒绝本网关的标识",
            "broker 只允许特定的客户端标识",
            "核对 edge.toml 中的 gateway.id 与主站的登记",
        ),
    ),
    "E-FWD-124": (
        (
            "{host}:{port} says that it is not available",
            "the broker is starting, overloaded or in maintenance",
            "nothing: it is tried again; readings are kept meanwhile",
        ),
        ("{host}:{port} 表示暂不可用", "broker 正在启动、过载或维护", "无需操作，会自动重试；抄表数据会保留"),
    ),
    "E-FWD-125": (
        (
            "{host}:{port} does not speak this version of MQTT: {detail}",
            "the broker knows only another version, or it is no MQTT broker",
            "set version under [mqtt] to 3.1.1",
        ),
        (
            "{host}:{port} 不支持此 MQTT 版本：{detail}",
            "broker 只支持其他版本，或它不是 MQTT broker",
            "将 [mqtt] 下的 version 设为 3.1.1",
        ),
    ),
    "E-FWD-126": (
        (
            "{host}:{port} refuses the login: {detail}",
            "a rule of the broker",
            "ask the centre to look into the broker's log",
        ),
        ("{host}:{port} 拒绝登录：{detail}", "broker 的规则所致", "请主站查看 broker 日志"),
    ),
    "E-FWD-127": (
        (
            "the password file {path} cannot be read: {detail}",
            "the file is missing or belongs to another user",
            "check password_file under [mqtt] in the settings and the rights of the file",
        ),
        (
            "无法读取密码文件 {path}：{detail}",
            "文件缺失或属于其他用户",
            "检查设置文件中 [mqtt] 的 password_file 及文件权限",
        ),
    ),
    "E-FWD-128": (
        (
            "the password file {path} is open to other users (mode {mode})",
            "the file was copied or written without its rights",
            "chmod 600 {path}; if others had access to this box, change the password at the broker",
        ),
        (
            "密码文件 {path} 可被其他用户读取（权限 {mode}）",
            "文件复制或创建时未设置权限",
            "chmod 600 {path}；若他人曾可访问本机，请在 broker 上更换密码",
        ),
    ),
    "E-FWD-129": (
        (
            "the address of the broker {host} holds a user name or a password",
            "a secret stands in the settings, where everybody who sees them can read it",
            "remove it from the address; write username and password_file under [mqtt]",
        ),
        (
            "broker {host} 的地址中含有用户名或密码",
            "密码写在设置文件中，任何能看到设置的人都能读到",
            "从地址中删除；改用 [mqtt] 的 username 和 password_file",
        ),
    ),
    "E-FWD-131": (
        (
            "a message to {topic} was not taken: {detail}",
            "the connection broke at this moment, or the broker acknowledges nothing any more",
            "nothing: it is sent again after the next connection",
        ),
        ("发往 {topic} 的消息未被接受：{detail}", "连接恰好中断，或 broker 不再确认", "无需操作，下次连接后重发"),
    ),
    "E-FWD-132": (
        (
            "the broker refuses the subscription to {topics}",
            "this gateway has no right to its own topics there",
            "ask the centre to allow e1/<tenant>/<gateway>/dn/# for this gateway",
        ),
        ("broker 拒绝订阅 {topics}", "本网关在该处没有自己主题的权限", "请主站为本网关开放 e1/<tenant>/<gateway>/dn/#"),
    ),
    "E-FWD-133": (
        (
            "the broker refused a message of this gateway",
            "this gateway has no right to publish there, or the message is too large for the broker",
            "ask the centre to allow e1/<tenant>/<gateway>/up/# and messages of 64 KiB",
        ),
        (
            "broker 拒绝了本网关的消息",
            "本网关没有发布权限，或消息超过 broker 限制",
            "请主站开放 e1/<tenant>/<gateway>/up/# 并允许 64 KiB 的消息",
        ),
    ),
    "E-FWD-134": (
        (
            "{host} announced a message of {size} bytes, more than {limit}",
            "a defective or hostile broker",
            "nothing that a centre sends is that large: ask who runs this broker",
        ),
        (
            "{host} 发来 {size} 字节的消息，超过 {limit}",
            "broker 有缺陷或怀有恶意",
            "主站不会发送这么大的消息：请查明该 broker 由谁运行",
        ),
    ),
    "E-FWD-135": (
        (
            "the broker at {host}:{port} ended the connection: another client has logged in with the same id",
            "a copy of this box runs somewhere, or two gateways have the same tenant and id",
            "switch the copy off; give each gateway an id and keys of its own",
        ),
        (
            "{host}:{port} 的 broker 断开了连接：另一客户端用相同标识登录",
            "本机的克隆正在运行，或两台网关的租户和标识相同",
            "停用克隆；每台网关须有自己的标识和密钥",
        ),
    ),
    "E-FWD-204": (
        (
            "the centre's state does not fit this gateway's batches; a new epoch {epoch} begins",
            "this box was restored from a backup, its store was set aside, or two boxes use the same id and key",
            "nothing is lost, what was sealed goes out in the new epoch; make sure that only one box has this id",
        ),
        (
            "主站状态与本网关的批次不符；开始新纪元 {epoch}",
            "本机从备份恢复、存储文件被隔离，或两台设备使用相同标识和密钥",
            "数据不会丢失，已封批次将在新纪元中重新发出；请确保只有一台设备使用此网关标识",
        ),
    ),
    "E-FWD-205": (
        (
            "no receipt from the centre for {seconds} s, {count} batches wait for one",
            "the centre does not run, does not know this gateway's key, or cannot publish",
            "edge keys show prints the key that the centre must know; ask the centre",
        ),
        (
            "已有 {seconds} 秒没有主站回执，{count} 个批次在等待",
            "主站未运行、不认识本网关的公钥，或无法发布",
            "edge keys show 显示主站须登记的公钥；请联系主站",
        ),
    ),
    "E-FWD-206": (
        (
            "the centre rejected {count} batches; they are kept here in quarantine",
            "the centre could not verify or read them",
            "edge backlog lists them; the centre's log names each with its reason",
        ),
        (
            "主站拒绝了 {count} 个批次；已隔离保存在本机",
            "主站无法验证或读取",
            "edge backlog 列出这些批次；主站的日志记有每个批次的原因",
        ),
    ),
    "E-FWD-207": (
        (
            "what waits makes no batch, first of it meter {meter}: {detail}",
            "a record is of a kind that the form of batches does not know",
            "send the output of edge status to the maker; readings stay here meanwhile",
        ),
        (
            "待发数据无法形成批次，首条为电表 {meter}：{detail}",
            "存在批次格式无法表示的记录",
            "将 edge status 的输出发给厂家；数据暂存于本机",
        ),
    ),
    "E-FWD-208": (
        (
            "sealing waits: this box's clock cannot be trusted yet",
            "there is no clock chip and no time from the network since the start",
            "give the box network time or set gateway.clock; after 24 h readings go out marked as untimed",
        ),
        (
            "封包等待中：本机时钟尚不可信",
            "没有时钟芯片，且启动以来未从网络取得时间",
            "为本机提供网络授时或设置 gateway.clock；24 小时后数据将标记为时间不可信后发出",
        ),
    ),
    "E-FWD-209": (
        (
            "{url} is reached without encryption",
            "edge.toml says mqtt:// for a broker on another machine",
            "use mqtts:// with a CA: readings are signed, but anybody on the way can read them",
        ),
        (
            "与 {url} 的连接未加密",
            "edge.toml 对另一台机器上的 broker 使用了 mqtt://",
            "请使用 mqtts:// 和 CA：数据虽有签名，但途中任何人都能看到",
        ),
    ),
    "E-FWD-210": (
        (
            "the plan makes no batch: {detail}",
            "it names more tasks, meters and items than a batch holds; readings go out without it",
            "split the tasks or name fewer items in edge.toml; the centre expects by the last plan that it got",
        ),
        (
            "抄表计划无法形成批次：{detail}",
            "计划中的任务、电表和数据项超出一个批次的容量；数据照常发出",
            "在 edge.toml 中拆分任务或减少数据项；主站仍按上次收到的计划核对",
        ),
    ),
    "E-FWD-211": (
        (
            "batch {seq} of epoch {epoch} cannot be sealed anew: {detail}",
            "it was sealed with another key than the present one, or it fills an envelope to the last byte",
            "it stays here; send the output of edge status to the maker",
        ),
        (
            "纪元 {epoch} 的批次 {seq} 无法重新封装：{detail}",
            "它是用另一把密钥封装的，或已占满一个封包",
            "该批次保留在本机；请将 edge status 的输出发给厂家",
        ),
    ),
    "E-FWD-212": (
        (
            "the centre has lost batches {first} to {last} of epoch {epoch}, which it had called durable",
            "it was restored from an older backup, or its ledger was emptied; this box has forgotten them",
            "ask the centre for a newer backup; what is still here is sent again without being asked",
        ),
        (
            "主站丢失了纪元 {epoch} 的批次 {first} 至 {last}，而它曾确认已持久保存",
            "主站从旧备份恢复，或其账本被清空；本机已删除这些批次",
            "请主站查找更新的备份；本机尚存的数据会自动重发",
        ),
    ),
    "E-FWD-213": (
        (
            "receipts of two different ledgers come in turn; those of the other one are not believed for now",
            "two centres run with the same key and tenant, or a copy of the centre was started",
            "stop one of the two centres; batches stay here meanwhile",
        ),
        (
            "两个不同账本的回执交替到来；暂不采信另一个账本的回执",
            "有两个主站使用同一密钥和租户运行，或启动了主站的副本",
            "停止其中一个主站；在此期间批次保留在本机",
        ),
    ),
    "E-FWD-214": (
        (
            "{waiting} waiting batches lack readings (in all {readings} went; {reduced} reduced, {dropped} dropped)",
            "the centre has not taken batches for longer than store.max_mib holds, or the disk is full",
            "bring back the way to the centre; raise store.max_mib or free the disk; at the centre what went is shed",
        ),
        (
            "{waiting} 个待发批次缺少读数（累计失去 {readings} 个；精简批次 {reduced} 个，丢弃 {dropped} 个）",
            "主站未接收批次的时间超过 store.max_mib 的容量，或磁盘已满",
            "恢复到主站的通路，增大 store.max_mib 或清理磁盘；失去的内容由主站以 shed 列出",
        ),
    ),
    "E-FWD-215": (
        (
            "the store is nearly full, and batch {epoch}/{seq} cannot be made smaller: {detail}",
            "it was sealed with another batch key, and a replacement needs that key's signature",
            "bring back the way to the centre, so that it is taken as it is; else it is signed anew in the end",
        ),
        (
            "存储将满，而批次 {epoch}/{seq} 无法精简：{detail}",
            "该批次由另一批次密钥签封，其替代批次需要同一密钥的签名",
            "恢复到主站的通路，使其原样接收该批次；若数分钟内别无可让，其内容将以现用密钥重新签封",
        ),
    ),
    "E-FWD-216": (
        (
            "the bytes of {count} sealed batches were damaged in the store; their slots are reported as lost",
            "the card or disk gave back other bytes than were written",
            "replace the card or disk soon; what was lost stands as damaged at the centre, the rest goes out",
        ),
        (
            "存储中 {count} 个已封装批次的字节已损坏；其时段将上报为丢失",
            "存储卡或磁盘读回的内容与写入的不同",
            "请尽快更换存储卡或磁盘；丢失的数据在主站标为 damaged，其余照常发出",
        ),
    ),
    "E-FWD-217": (
        (
            "connections to the broker end again and again, within {minutes} minutes",
            "another box or program logs in with this gateway's id, perhaps a copy of this box; or the network is bad",
            "look for a copy of this box and switch it off; give each gateway an id and keys of its own",
        ),
        (
            "{minutes} 分钟内与 broker 的连接反复断开",
            "另一设备或程序用本网关标识登录（例如本机的克隆），或网络质量差",
            "查找并停用本机的克隆；每台网关须有自己的标识和密钥",
        ),
    ),
    "E-FWD-218": (
        (
            "{count} messages on the topic of receipts were refused, the last one: {detail}",
            "somebody else publishes there, the centre's key was changed, or two centres run",
            "let the broker's rules allow that topic to the centre only; compare [centre] key with the centre's",
        ),
        (
            "回执主题上有 {count} 条报文被拒绝，最近一条：{detail}",
            "有他人在该主题发布、主站密钥已更换，或有两个主站在运行",
            "在 broker 上限制该主题只许主站发布；核对 [centre] key 与主站公钥",
        ),
    ),
    "E-FWD-219": (
        (
            "this box's clock differs by {seconds} s from the centre's (+: this box is ahead)",
            "the time server is wrong, the clock was set by hand, or the centre's clock is wrong",
            "compare both with a clock that is right, timedatectl shows this one; slots are stamped by it",
        ),
        (
            "本机时钟与主站时钟相差 {seconds} 秒（+ 表示本机超前）",
            "时间服务器有误、时钟被手工设置，或主站时钟有误",
            "用准确的时钟核对两者，timedatectl 显示本机时间；时段按本机时钟标记",
        ),
    ),
    "E-FWD-220": (
        (
            "readings since {oldest} have waited for {minutes} minutes under no receipt; {batches} batches are unsent",
            "the broker is not reached, the centre does not confirm, or sealing waits; nothing is lost meanwhile",
            "look at what else `edge status` names; `edge backlog` gives an estimate, --export takes it to a stick",
        ),
        (
            "自 {oldest} 起的读数已等待 {minutes} 分钟仍无回执；{batches} 个批次未发送",
            "连不上 broker、主站未确认，或封装在等待；期间数据不会丢失",
            "查看 `edge status` 列出的其他问题；`edge backlog` 给出预计时间，--export 可导出到 U 盘",
        ),
    ),
}
