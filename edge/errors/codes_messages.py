"""Codes of signed messages: their form (1xx), the signature (2xx), receipts (4xx)."""

from edge.errors.shape import Codes

CODES: Codes = {
    "E-MSG-101": (
        (
            "the message is not CBOR in its one form: {detail}",
            "it was damaged on the way, or something else writes to this topic",
            "see who may write to the topic at the broker; the message is refused and nothing is changed",
        ),
        (
            "报文不是规范的 CBOR 编码：{detail}",
            "报文在途中受损，或有其他程序向该主题写入",
            "检查代理服务器上谁有权写该主题；该报文已被拒绝，未改变任何数据",
        ),
    ),
    "E-MSG-102": (
        (
            "the message holds something that cannot be: {what}: {detail}",
            "the sender follows another version of the format, or is faulty",
            "compare the versions on both ends; keep the message and tell the maker",
        ),
        (
            "报文内容不成立：{what}：{detail}",
            "发送方使用了其他版本的格式，或发送方有缺陷",
            "核对两端版本；保留该报文并反馈给厂家",
        ),
    ),
    "E-MSG-103": (
        (
            "the message has {size} bytes, at most {limit} are taken",
            "too many readings in one batch, or a hostile sender",
            "lower max_readings of [batch] in edge.toml",
        ),
        (
            "报文有 {size} 字节，最多接受 {limit} 字节",
            "一个批次中的读数过多，或发送方有恶意",
            "减小 edge.toml 中 [batch] 的 max_readings",
        ),
    ),
    "E-MSG-104": (
        (
            "a value cannot be put into a message: {detail}",
            "a defect of this program: such a value should not have been stored",
            "report it with the daemon's log: journalctl -u 'edge*'",
        ),
        (
            "有一个值无法写入报文：{detail}",
            "本程序缺陷：这样的值不应被保存",
            "请连同守护进程日志一起报告：journalctl -u 'edge*'",
        ),
    ),
    "E-MSG-105": (
        (
            "the batch has format {found}, this program knows format {known}",
            "the gateway is newer than the centre",
            "upgrade the centre first, then the gateways",
        ),
        (
            "批次格式为 {found}，本程序只认识格式 {known}",
            "网关版本比主站新",
            "先升级主站，再升级网关",
        ),
    ),
    "E-MSG-201": (
        (
            "the message is not a COSE_Sign1: {detail}",
            "something else writes to this topic",
            "see who may write to the topic at the broker",
        ),
        (
            "报文不是 COSE_Sign1：{detail}",
            "有其他程序向该主题写入",
            "检查代理服务器上谁有权写该主题",
        ),
    ),
    "E-MSG-203": (
        (
            "the message is signed with algorithm {found}, its key is for {wanted}",
            "a forged message, or a sender set up for another algorithm",
            "if it repeats, look at who writes to the topic; else compare the keys on both ends",
        ),
        (
            "报文的签名算法为 {found}，而其密钥用于 {wanted}",
            "报文系伪造，或发送方配置了其他算法",
            "若反复出现，检查谁在写该主题；否则核对两端密钥",
        ),
    ),
    "E-MSG-204": (
        (
            "the message was signed as {found}, here only {wanted} is taken",
            "a message was put on the wrong topic, or somebody tries to pass one kind off as another",
            "if it repeats, look at who writes to the topic",
        ),
        (
            "报文签名时的类型为 {found}，此处只接受 {wanted}",
            "报文发到了错误的主题，或有人以一种报文冒充另一种",
            "若反复出现，检查谁在写该主题",
        ),
    ),
    "E-MSG-205": (
        (
            "the message is signed with key {kid}, which is not trusted here",
            "the sender's key is not entered on this end, or was exchanged",
            "compare with edge keys show on the sender's side, then enter the public key here",
        ),
        (
            "报文由密钥 {kid} 签名，此处不信任该密钥",
            "本端未登记发送方的密钥，或密钥已更换",
            "在发送方运行 edge keys show 核对，然后在本端登记其公钥",
        ),
    ),
    "E-MSG-206": (
        (
            "the signature does not hold (key {kid})",
            "the message was changed on the way, or is forged",
            "nothing was taken over; if it repeats, look at who writes to the topic",
        ),
        (
            "签名不成立（密钥 {kid}）",
            "报文在途中被改动，或系伪造",
            "未采纳任何内容；若反复出现，检查谁在写该主题",
        ),
    ),
    "E-MSG-207": (
        (
            "the payload does not inflate as its header says: {detail}",
            "the sender is faulty",
            "keep the message and tell the maker",
        ),
        (
            "载荷解压结果与报头不符：{detail}",
            "发送方有缺陷",
            "保留该报文并反馈给厂家",
        ),
    ),
    "E-MSG-401": (
        (
            "the receipt is for gateway {found}, this is {wanted}",
            "two gateways share topics, or somebody passes receipts on",
            "compare gateway.id in edge.toml with the centre's list",
        ),
        (
            "回执属于网关 {found}，本机为 {wanted}",
            "两台网关共用主题，或有人转发回执",
            "核对 edge.toml 中的 gateway.id 与主站名单",
        ),
    ),
    "E-MSG-402": (
        (
            "receipt {n} is older than receipt {last}, which was applied already",
            "the broker delivered an old message again",
            "nothing: it is ignored",
        ),
        (
            "回执 {n} 早于已采用的回执 {last}",
            "代理服务器重新投递了旧报文",
            "无需处理：已忽略",
        ),
    ),
    "E-MSG-403": (
        (
            "the receipt of {issued} is older than that of {newest}, which was applied already",
            "receipts reached this gateway in two ways, and this one took the longer way",
            "nothing: it is ignored",
        ),
        (
            "{issued} 的回执早于已采用的 {newest} 的回执",
            "回执经两种途径到达本网关，这一份到得较晚",
            "无需处理：已忽略",
        ),
    ),
    "E-MSG-404": (
        (
            "the receipt of {issued} is of run {run} of the centre, which was over before the present one",
            "somebody brings old receipts again, or two centres run with the same key",
            "if the centre runs once only: nothing, it is ignored. If two run: stop one and start the other anew",
        ),
        (
            "{issued} 的回执属于主站的运行 {run}，该运行在当前运行之前已结束",
            "有人重新投递旧回执，或有两个主站使用同一密钥运行",
            "若只有一个主站：无需处理，已忽略；若有两个：停掉一个并重新启动另一个",
        ),
    ),
}
