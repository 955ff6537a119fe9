"""Codes of sticks that carry batches: the stick (1xx), single files (2xx), the centre (3xx), the gateway (4xx)."""

from edge.errors.shape import Codes

CODES: Codes = {
    "E-CAR-101": (
        (
            "{path} cannot be read or written: {detail}",
            "the stick was pulled out, is write-protected or worn out, or this user has no right to it",
            "plug it in again, check its switch, or take another stick; then the same command once more",
        ),
        (
            "无法读写 {path}：{detail}",
            "U 盘被拔出、写保护、已损坏，或当前用户无权限",
            "重新插入、检查写保护开关或更换 U 盘，然后重新执行同一命令",
        ),
    ),
    "E-CAR-102": (
        (
            "the stick is full: {path} could not be written ({detail})",
            "something else filled it meanwhile, or the export is larger than it",
            "make room or take another stick and run the same command: what is whole there is kept, the rest follows",
        ),
        (
            "U 盘已满：{path} 无法写入（{detail}）",
            "期间被其他内容占满，或导出内容超过其容量",
            "清理空间或更换 U 盘后重新执行：已写完的文件保留，其余继续",
        ),
    ),
    "E-CAR-103": (
        (
            "there is no folder {path}",
            "the stick is not mounted, or the path is mistyped",
            "lsblk shows where the stick is; mount it and give that folder",
        ),
        ("没有目录 {path}", "U 盘未挂载，或路径输错", "用 lsblk 查看 U 盘位置，挂载后给出该目录"),
    ),
    "E-CAR-104": (
        (
            "the stick has {free} bytes free at {path}, the backlog needs {needed}",
            "the stick is too small, or full of other things",
            "make room or take a larger stick; nothing was changed on it",
        ),
        (
            "{path} 剩余 {free} 字节，积压数据需要 {needed} 字节",
            "U 盘容量太小，或存有其他内容",
            "清理空间或换更大的 U 盘；未改动其内容",
        ),
    ),
    "E-CAR-105": (
        (
            "{path} belongs to gateway {found}, not to {wanted}",
            "the stick carries another gateway's batches there",
            "give the stick itself instead of one gateway's folder, or take another stick",
        ),
        (
            "{path} 属于网关 {found}，不是 {wanted}",
            "U 盘上该位置存放的是另一台网关的批次",
            "请给出 U 盘根目录而不是某网关的目录，或更换 U 盘",
        ),
    ),
    "E-CAR-106": (
        (
            "there is no store at {path}",
            "the daemon has never run with these settings, or state_dir is another one",
            "edge run first, or give the daemon's settings with --config",
        ),
        (
            "{path} 处没有存储文件",
            "守护进程从未用此配置运行过，或 state_dir 不同",
            "先执行 edge run，或用 --config 指定守护进程的配置",
        ),
    ),
    "E-CAR-107": (
        (
            "no receipt for gateway {gateway} lies at {path}",
            "the stick was not at the centre yet, or edge centre receive could not write to it",
            "at the centre: edge centre receive; then come back with the stick",
        ),
        (
            "{path} 中没有网关 {gateway} 的回执",
            "U 盘尚未送到主站，或 edge centre receive 无法写入",
            "在主站执行 edge centre receive，再把 U 盘带回",
        ),
    ),
    "E-CAR-108": (
        (
            "the stick {path} carries {found}, nothing of gateway {wanted}",
            "it was filled at another gateway",
            "take the stick that was filled here: edge backlog --export writes the folder edge-{wanted}",
        ),
        (
            "U 盘 {path} 中是 {found} 的数据，没有网关 {wanted} 的内容",
            "该 U 盘是在另一台网关上导出的",
            "请使用在本机导出的 U 盘：edge backlog --export 会写入目录 edge-{wanted}",
        ),
    ),
    "E-CAR-201": (
        (
            "{path} cannot be read: {detail}",
            "the stick is failing there",
            "nothing is lost: the gateway keeps the batch; export again, to another stick",
        ),
        ("{path} 无法读取：{detail}", "U 盘该处已损坏", "数据未丢失：网关仍保留该批次；用另一个 U 盘重新导出"),
    ),
    "E-CAR-202": (
        (
            "{path} has {size} bytes, at most {limit} are read",
            "it is no file of ours, or was damaged",
            "look at who put it there; the gateway keeps its batches until a receipt covers them",
        ),
        (
            "{path} 有 {size} 字节，最多读取 {limit} 字节",
            "不是本程序写入的文件，或已损坏",
            "查明文件来源；在回执到达之前网关保留其批次",
        ),
    ),
    "E-CAR-203": (
        (
            "{path} is no plain file: {detail}",
            "a link, a folder or a device lies there; none is ever followed",
            "look at who put it there",
        ),
        ("{path} 不是普通文件：{detail}", "该处是链接、目录或设备，一律不读取", "查明文件来源"),
    ),
    "E-CAR-204": (
        (
            "{path} is not what was written: {detail}",
            "the stick was pulled out too early or is failing, or somebody changed the file",
            "nothing is lost: the gateway keeps the batch; bring the receipt back and export again",
        ),
        (
            "{path} 与写入内容不符：{detail}",
            "U 盘过早拔出、损坏，或文件被人改动",
            "数据未丢失：网关仍保留该批次；带回回执后重新导出",
        ),
    ),
    "E-CAR-205": (
        (
            "{path} is missing",
            "it was deleted, or the stick lost it",
            "nothing is lost: the gateway keeps the batch; bring the receipt back and export again",
        ),
        ("缺少 {path}", "文件被删除，或 U 盘丢失了它", "数据未丢失：网关仍保留该批次；带回回执后重新导出"),
    ),
    "E-CAR-206": (
        (
            "{path} was not written by this export; it is left alone",
            "somebody else put it there",
            "nothing, unless a batch is missing: then look at where it comes from",
        ),
        ("{path} 不是本次导出写入的，未读取", "由他人放入", "一般无需处理；若缺少批次请查明其来源"),
    ),
    "E-CAR-207": (
        (
            "{path} was renamed; by its content it is {name}, and is taken as that",
            "somebody moved or renamed files on the stick",
            "nothing",
        ),
        ("{path} 被改名；按内容应为 {name}，已按此处理", "有人移动或改名了 U 盘上的文件", "无需处理"),
    ),
    "E-CAR-208": (
        (
            "there is no sound manifest: {detail}",
            "the export was interrupted, or the stick lost it",
            "what is there is judged by its signatures; bring the receipt back and export again",
        ),
        (
            "没有完好的清单：{detail}",
            "导出被中断，或 U 盘丢失了清单",
            "现有文件按签名判断；带回回执后重新导出",
        ),
    ),
    "E-CAR-209": (
        (
            "the birth {path} does not hold: {detail}",
            "the file is damaged, or the gateway's key was changed",
            "the batches are taken without it; if numbers stay missing, export again",
        ),
        (
            "上线声明 {path} 无效：{detail}",
            "文件损坏，或网关密钥已更换",
            "批次照常接收；若仍缺少序号，请重新导出",
        ),
    ),
    "E-CAR-301": (
        (
            "gateway {gateway} is not enrolled here; {path} was not read",
            "a stick of another centre's gateway, or the gateway is new",
            "edge centre enrol with the gateway's public key, then the same command again",
        ),
        (
            "网关 {gateway} 未在此登记；未读取 {path}",
            "U 盘属于其他主站的网关，或网关是新装的",
            "用网关公钥执行 edge centre enrol，再重新执行本命令",
        ),
    ),
    "E-CAR-302": (
        (
            "{path} is of tenant {found}, this centre is {wanted}; it was not read",
            "a stick of another utility",
            "bring it to the centre that it is for",
        ),
        ("{path} 属于租户 {found}，本主站为 {wanted}；未读取", "其他电力公司的 U 盘", "送到对应的主站"),
    ),
    "E-CAR-303": (
        (
            "no gateway's folder lies at {path}",
            "another stick, or the export did not begin",
            "look for a folder edge-GATEWAY; at the gateway: edge backlog --export",
        ),
        (
            "{path} 中没有任何网关的目录",
            "U 盘不对，或尚未导出",
            "查找 edge-网关名 目录；在网关上执行 edge backlog --export",
        ),
    ),
    "E-CAR-304": (
        (
            "the receipt could not be written to {path}: {detail}",
            "the stick is full, write-protected or gone",
            "the batches are stored; make room and run the same command again for the receipt",
        ),
        (
            "回执无法写入 {path}：{detail}",
            "U 盘已满、写保护或被拔出",
            "批次已入库；清理空间后重新执行同一命令以写入回执",
        ),
    ),
    "E-CAR-401": (
        (
            "{count} readings were left behind: {detail}",
            "they wait to be sealed, and only sealed batches may leave",
            "remove the cause and export again; they stay in the store",
        ),
        (
            "有 {count} 条读数未导出：{detail}",
            "它们尚未封装，只有已封装的批次才能离开",
            "消除原因后重新导出；读数仍在存储中",
        ),
    ),
    "E-CAR-402": (
        (
            "the stick carries no birth: {detail}",
            "no daemon forwards here, and this user cannot sign",
            "nothing if the centre knows this gateway; else run it as root: sudo edge backlog",
        ),
        (
            "U 盘中没有上线声明：{detail}",
            "没有转发进程运行，且当前用户无法签名",
            "主站已知本网关时无需处理；否则以 root 执行：sudo edge backlog",
        ),
    ),
}
