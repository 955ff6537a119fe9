"""Codes of keys: files of private keys (1xx) and of public keys (2xx)."""

from edge.errors.shape import Codes

CODES: Codes = {
    "E-KEY-101": (
        (
            "{path} is there already, it is not overwritten",
            "a key was made here before; batches under the old key could not be verified any more",
            "use this key; to make another one on purpose, move the file away first",
        ),
        (
            "{path} 已存在，不会覆盖",
            "此处已生成过密钥；覆盖后旧密钥签名的批次将无法验证",
            "使用现有密钥；若确需新密钥，请先移走该文件",
        ),
    ),
    "E-KEY-102": (
        (
            "key file {path} cannot be read: {detail}",
            "it was not made yet, the path is wrong, or this user may not read it",
            "make one with edge keys new --out {path}, or correct the path in edge.toml",
        ),
        (
            "无法读取密钥文件 {path}：{detail}",
            "尚未生成密钥、路径错误，或当前用户无权读取",
            "运行 edge keys new --out {path} 生成，或更正 edge.toml 中的路径",
        ),
    ),
    "E-KEY-103": (
        (
            "key file {path} can be read by others (mode {mode})",
            "it was copied or its rights were changed; others may have the key",
            "chmod 600 {path}; if others use this machine, make a new key",
        ),
        (
            "密钥文件 {path} 可被他人读取（权限 {mode}）",
            "文件被复制或权限被更改；他人可能已获得密钥",
            "执行 chmod 600 {path}；若有他人使用本机，请更换新密钥",
        ),
    ),
    "E-KEY-104": (
        (
            "{path} is not a plain file",
            "the path names a folder, a pipe or a device",
            "correct the path of the key in edge.toml",
        ),
        (
            "{path} 不是普通文件",
            "该路径是目录、管道或设备",
            "更正 edge.toml 中的密钥路径",
        ),
    ),
    "E-KEY-105": (
        (
            "{path} holds no Ed25519 private key without a password (PEM, PKCS 8)",
            "another kind of key, a public key, a certificate, or a damaged file",
            "make one with edge keys new, or correct the path in edge.toml",
        ),
        (
            "{path} 中没有不带口令的 Ed25519 私钥（PEM，PKCS 8）",
            "是其他类型的密钥、公钥、证书，或文件已损坏",
            "运行 edge keys new 生成，或更正 edge.toml 中的路径",
        ),
    ),
    "E-KEY-106": (
        (
            "{path} cannot be written: {detail}",
            "the folder does not exist, this user may not write there, or the disk is full",
            "make the folder, or choose another one with --out",
        ),
        (
            "无法写入 {path}：{detail}",
            "目录不存在、当前用户无权写入，或磁盘已满",
            "先建立目录，或用 --out 选择其他位置",
        ),
    ),
    "E-KEY-107": (
        (
            "key file {path} belongs to another user (uid {owner})",
            "it was copied by hand; whoever owns it can exchange it",
            "chown the file to the user that runs edge",
        ),
        (
            "密钥文件 {path} 属于其他用户（uid {owner}）",
            "文件是手工复制的；其所有者可以替换它",
            "用 chown 将文件改为运行 edge 的用户所有",
        ),
    ),
    "E-KEY-201": (
        (
            "public key file {path} cannot be read: {detail}",
            "the file was not copied here yet, or the path is wrong",
            "copy the other side's .pub file here, or correct the path",
        ),
        (
            "无法读取公钥文件 {path}：{detail}",
            "尚未复制到此处，或路径错误",
            "将对方的 .pub 文件复制到此处，或更正路径",
        ),
    ),
    "E-KEY-202": (
        (
            "{path} holds no Ed25519 public key (PEM)",
            "another kind of key, a certificate, or a damaged file",
            "take the .pub file that edge keys new wrote on the other side",
        ),
        (
            "{path} 中没有 Ed25519 公钥（PEM）",
            "是其他类型的密钥、证书，或文件已损坏",
            "使用对方 edge keys new 生成的 .pub 文件",
        ),
    ),
    "E-KEY-203": (
        (
            "{path} holds a private key where a public one belongs",
            "the wrong one of the two files was copied; the key is no longer a secret",
            "delete this copy, make a new key on the other side, and copy its .pub file only",
        ),
        (
            "{path} 处应为公钥，却是私钥",
            "复制了错误的文件；该密钥已不再保密",
            "删除此副本，在对方生成新密钥，并只复制其 .pub 文件",
        ),
    ),
}
