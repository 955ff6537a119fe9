"""Codes of what `edge doctor` looks at on the machine itself, and of the daemon's own signs of life."""

from edge.errors.shape import Codes

CODES: Codes = {
    "E-HLT-101": (
        (
            "the time of this machine cannot be trusted ({trust}); it says {now}",
            "there is no clock chip that keeps it, and no time server was reached since the start",
            'connect the network and look at `timedatectl`; if the clock is kept by other means: clock = "rtc"',
        ),
        (
            "本机时间不可信（{trust}），当前显示 {now}",
            "没有时钟芯片，且启动后未连到时间服务器",
            '接通网络并查看 `timedatectl`；若时钟由其他方式保持：clock = "rtc"',
        ),
    ),
    "E-HLT-102": (
        (
            "no time service runs on this machine",
            "none of {known} was found among the processes",
            "sudo apt install systemd-timesyncd, then sudo timedatectl set-ntp true",
        ),
        (
            "本机没有运行时间同步服务",
            "进程中未发现 {known}",
            "sudo apt install systemd-timesyncd，然后 sudo timedatectl set-ntp true",
        ),
    ),
    "E-HLT-111": (
        (
            "only {free} MiB ({percent} %) are free on the disk of {path}",
            "logs, copies or other programs fill it",
            "sudo du -xsh /var/* shows what is large; sudo journalctl --vacuum-size=50M makes room at once",
        ),
        (
            "{path} 所在磁盘只剩 {free} MiB（{percent} %）",
            "日志、副本或其他程序占满了磁盘",
            "sudo du -xsh /var/* 查看大目录；sudo journalctl --vacuum-size=50M 可立即腾出空间",
        ),
    ),
    "E-HLT-112": (
        (
            "only {free} files ({percent} %) can still be made on the disk of {path}",
            "very many small files use up its inodes; room in bytes does not help",
            "find the folder with the many files (sudo du --inodes -x / | sort -n | tail) and clear it",
        ),
        (
            "{path} 所在磁盘只能再建 {free} 个文件（{percent} %）",
            "大量小文件耗尽了 inode；字节空间再多也没有用",
            "找出文件过多的目录（sudo du --inodes -x / | sort -n | tail）并清理",
        ),
    ),
    "E-HLT-113": (
        (
            "the disk of {path} can only be read",
            "the kernel closed it after faults of the card, or it is mounted so",
            "look at `dmesg`; copy the state directory away, then change the card",
        ),
        (
            "{path} 所在磁盘为只读",
            "内核因存储卡故障将其改为只读，或挂载时即为只读",
            "查看 `dmesg`；先复制出状态目录，再更换存储卡",
        ),
    ),
    "E-HLT-114": (
        (
            "{path} lies on {kind}, which does not keep readings through a power cut",
            "the store needs a local file system with locks and fsync: ext4, f2fs, btrfs or xfs",
            "move the state directory to a local disk and set state_dir",
        ),
        (
            "{path} 位于 {kind} 上，断电时不能保住读数",
            "存储需要支持锁和 fsync 的本地文件系统：ext4、f2fs、btrfs 或 xfs",
            "把状态目录移到本地磁盘，并设置 state_dir",
        ),
    ),
    "E-HLT-121": (
        (
            "{percent} % of the life of the built-in flash {device} are used up",
            "the flash counts its own erase cycles and tells them in steps of 10 %",
            "plan to change the board or the card; `edge backlog --export` takes what is unsent to a stick",
        ),
        (
            "内置闪存 {device} 的寿命已用去 {percent} %",
            "闪存自行统计擦写次数，以 10 % 为一档给出",
            "安排更换主板或存储卡；`edge backlog --export` 可把未发送的数据导出到 U 盘",
        ),
    ),
    "E-HLT-122": (
        (
            "the built-in flash {device} has used up its spare blocks ({state})",
            "blocks that failed were replaced until few or none were left: it may become read-only at any time",
            "change the board or the card now; `edge backlog --export` takes what is unsent to a stick",
        ),
        (
            "内置闪存 {device} 的备用块已耗尽（{state}）",
            "坏块不断被替换，备用块所剩无几：随时可能变为只读",
            "立即更换主板或存储卡；`edge backlog --export` 可把未发送的数据导出到 U 盘",
        ),
    ),
    "E-HLT-131": (
        (
            "the supply voltage of this board is too low at this moment",
            "the power supply or its cable is too weak, or an adapter on USB takes too much",
            "use the maker's power supply and a short, thick cable; give USB adapters a powered hub",
        ),
        (
            "本机供电电压此刻过低",
            "电源或线缆过弱，或 USB 适配器耗电过大",
            "使用原厂电源和短粗线缆；USB 适配器改接有源集线器",
        ),
    ),
    "E-HLT-132": (
        (
            "the supply voltage of this board has been too low since it was started",
            "the power supply is weak under load; ports vanish and cards are damaged by it",
            "use the maker's power supply and a short, thick cable; the mark goes with the next start",
        ),
        (
            "启动以来本机供电电压曾经过低",
            "带载时电源不足；会造成串口消失、存储卡损坏",
            "使用原厂电源和短粗线缆；下次启动后该标志消失",
        ),
    ),
    "E-HLT-141": (
        (
            "{path} is open to every user of this machine (mode {mode})",
            "its rights were changed by hand, or it was made outside the installer",
            "sudo chmod o-rwx {path}",
        ),
        (
            "{path} 对本机所有用户开放（权限 {mode}）",
            "权限被手动修改，或不是由安装程序建立",
            "sudo chmod o-rwx {path}",
        ),
    ),
    "E-HLT-142": (
        (
            "{path} does not exist",
            "the service was never started, or the settings name another state directory",
            "compare state_dir with `edge config show --effective`; the first start makes it",
        ),
        (
            "{path} 不存在",
            "服务从未启动，或配置中的状态目录有误",
            "用 `edge config show --effective` 核对 state_dir；首次启动会建立该目录",
        ),
    ),
    "E-HLT-151": (
        (
            "the half {half} runs version {running}, installed is {installed}",
            "it was not restarted after an upgrade",
            "sudo systemctl restart edge.target",
        ),
        (
            "{half} 进程运行的是 {running} 版，已安装的是 {installed} 版",
            "升级后没有重启",
            "sudo systemctl restart edge.target",
        ),
    ),
    "E-HLT-161": (
        (
            "the certificate {path} ends in {days} days, at {end}",
            "certificates are given for a time, and nobody has renewed this one yet",
            "have it renewed and put the new file in its place; `edge config reload` takes it",
        ),
        (
            "证书 {path} 将在 {days} 天后（{end}）到期",
            "证书有有效期，此证书尚未续期",
            "续签后替换该文件；`edge config reload` 使其生效",
        ),
    ),
    "E-HLT-162": (
        (
            "the certificate {path} ended at {end}",
            "it was not renewed in time, or the clock of this machine is ahead",
            "have it renewed and put the new file in its place; compare the clock with `date -u`",
        ),
        (
            "证书 {path} 已于 {end} 到期",
            "未及时续期，或本机时钟偏快",
            "续签后替换该文件；用 `date -u` 核对时钟",
        ),
    ),
    "E-HLT-163": (
        (
            "the certificate {path} begins only at {begin}",
            "the clock of this machine is behind, or the certificate was given for later",
            "compare the clock with `date -u`; if it is right, wait or have another one given",
        ),
        (
            "证书 {path} 从 {begin} 才开始生效",
            "本机时钟偏慢，或证书签发的起始时间在以后",
            "用 `date -u` 核对时钟；若时钟正确，等待或重新签发",
        ),
    ),
    "E-HLT-164": (
        (
            "the key {key} does not belong to the certificate {path}",
            "one of the two files was changed without the other",
            "put the pair in place that was made together",
        ),
        (
            "密钥 {key} 与证书 {path} 不匹配",
            "两个文件只更换了其中一个",
            "放回成对生成的证书和密钥",
        ),
    ),
    "E-HLT-165": (
        (
            "{path} is no certificate that can be read: {detail}",
            "the file is not there, is not PEM, or was cut short while it was copied",
            "put the certificate there again, as text that begins with BEGIN CERTIFICATE",
        ),
        (
            "{path} 不是可读的证书：{detail}",
            "文件不存在、不是 PEM 格式，或复制时被截断",
            "重新放入以 BEGIN CERTIFICATE 开头的证书文本",
        ),
    ),
    "E-HLT-171": (
        (
            "on bus {bus} only {percent} % of {count} exchanges went well; most often: {worst}",
            "wiring, termination, a second master, or meters that are not there",
            "edge diagnose --bus {bus} finds the cause; edge bus {bus} shows each meter",
        ),
        (
            "总线 {bus} 的 {count} 次交互中只有 {percent} % 正常；最多的是：{worst}",
            "接线、终端电阻、另有主站，或电表不在线",
            "edge diagnose --bus {bus} 查找原因；edge bus {bus} 查看各表",
        ),
    ),
    "E-HLT-181": (
        (
            "{unit} uses {used} of the {limit} MiB of memory that it may have",
            "a backlog is being worked off, or there is a leak; at the limit the service is restarted",
            "look again in an hour; if it still grows, keep `edge doctor --json` and tell the makers",
        ),
        (
            "{unit} 占用 {used} MiB 内存，上限为 {limit} MiB",
            "正在处理积压，或存在内存泄漏；到达上限时服务会重启",
            "一小时后再看；若仍在增长，保存 `edge doctor --json` 的输出并告知开发方",
        ),
    ),
    "E-HLT-182": (
        (
            "{unit} was ended {count} times because it reached its limit of memory",
            "the site is larger than the limit allows, or there is a leak",
            "keep `edge doctor --json` and tell the makers; a larger MemoryMax= in a drop-in helps for the moment",
        ),
        (
            "{unit} 因内存到达上限被终止 {count} 次",
            "站点规模超出上限，或存在内存泄漏",
            "保存 `edge doctor --json` 的输出并告知开发方；在 drop-in 中调大 MemoryMax= 可暂时缓解",
        ),
    ),
    "E-HLT-191": (
        (
            "the worker {worker} has not moved for {seconds} s",
            "a driver or the disk does not come back from a call",
            "the watchdog restarts the service by itself; if it happens again, look at `dmesg`",
        ),
        (
            "工作线程 {worker} 已 {seconds} 秒没有进展",
            "某个驱动或磁盘调用没有返回",
            "看门狗会自动重启服务；若再次发生，查看 `dmesg`",
        ),
    ),
    "E-HLT-192": (
        (
            "metrics cannot be served at {listen}: {detail}",
            "the address is taken, or its folder is not there or may not be written",
            "choose another `listen` under [metrics], then restart; polling and forwarding go on without",
        ),
        (
            "无法在 {listen} 提供指标：{detail}",
            "地址已被占用，或目录不存在、不可写",
            "在 [metrics] 下另选 `listen` 后重启；抄读和转发不受影响",
        ),
    ),
}
