"""The disk of the cuts: what was synced stays, what was not may be anything, names and bytes apart."""

from random import Random

from tests.torture.disk import Disk
from tests.torture.trace import Call, read_trace

FOLDER = "/s"


def hexed(text):
    return "".join(f"\\x{byte:02x}" for byte in text.encode("latin-1"))


def outcomes(calls, moment=10**6, seeds=400):
    """Return every state that cuts at that moment leave."""
    return {tuple(sorted(Disk(calls, moment).cut(Random(seed)).items())) for seed in range(seeds)}


def calls(*steps):
    """Return calls, one a line: (what, name, more)."""
    return [Call(what, name, number, number, **more) for number, (what, name, more) in enumerate(steps)]


CREATED = (("create", "a", {}), ("sync", "", {}))


def test_what_is_synced_is_kept():
    """One file, synced, its name synced: there is nothing else that could be."""
    done = calls(*CREATED, ("write", "a", {"data": b"abc"}), ("sync", "a", {}))
    assert {(("a", b"abc"),)} == outcomes(done)


def test_what_is_not_synced_may_be_cut_at_any_byte():
    """All prefixes of a write come up."""
    done = calls(*CREATED, ("write", "a", {"data": b"abc"}))
    assert {b"", b"a", b"ab", b"abc"} <= {dict(state)["a"] for state in outcomes(done)}


def test_sectors_are_kept_in_any_order():
    """The second sector of a write may be there without the first; what lies before it is zeros or rubbish."""
    done = calls(*CREATED, ("write", "a", {"data": b"x" * 512 + b"y" * 512}))
    contents = {dict(state)["a"] for state in outcomes(done)}
    assert {bytes(512) + b"y" * 512, b"x" * 512, b"\xa5" * 512 + b"y" * 512} <= contents


def test_a_sync_that_began_before_the_write_ended_keeps_nothing_for_sure():
    """Two processes at once: the write returned after the sync had begun."""
    done = [*calls(*CREATED), Call("write", "a", 2, 5, data=b"abc"), Call("sync", "a", 4, 6)]
    assert {b"", b"abc"} <= {dict(state)["a"] for state in outcomes(done)}


def test_a_sync_that_has_not_returned_keeps_nothing_for_sure():
    """The power failed while the disk was still at it."""
    done = [*calls(*CREATED), Call("write", "a", 2, 2, data=b"abc"), Call("sync", "a", 3, None)]
    assert {b"", b"abc"} <= {dict(state)["a"] for state in outcomes(done)}


def test_a_name_in_a_folder_is_sure_with_that_folder_only():
    """The folder around it may be synced as often as it likes."""
    made = (*CREATED, ("create", "in/a", {}))
    assert {("a",), ("a", "in/a")} == {tuple(dict(state)) for state in outcomes(calls(*made, ("sync", "", {})))}
    assert {("a", "in/a")} == {tuple(dict(state)) for state in outcomes(calls(*made, ("sync", "in", {})))}


def test_a_name_is_sure_only_with_its_folder():
    """A rename that nobody synced has happened or has not, whole; an unlink likewise."""
    new = (("create", "b", {}), ("write", "b", {"data": b"new"}), ("sync", "b", {}))
    old = (*CREATED, ("write", "a", {"data": b"old"}), ("sync", "a", {}))
    renamed = outcomes(calls(*old, *new, ("rename", "b", {"to": "a"})))
    assert {(("a", b"old"),), (("a", b"new"),), (("a", b"old"), ("b", b"new"))} == renamed
    assert {(("a", b"new"),)} == outcomes(calls(*old, *new, ("rename", "b", {"to": "a"}), ("sync", "", {})))
    assert {(), (("a", b"old"),)} == outcomes(calls(*old, ("unlink", "a", {})))


def test_a_truncation_may_be_lost():
    """A file that was made shorter has the old length or the new one."""
    done = calls(*CREATED, ("write", "a", {"data": b"abc"}), ("sync", "a", {}), ("truncate", "a", {"size": 1}))
    assert {b"a", b"abc"} == {dict(state)["a"] for state in outcomes(done)}


def test_a_cut_sees_nothing_of_later_calls():
    """What began after the moment leaves no trace."""
    done = calls(*CREATED, ("write", "a", {"data": b"abc"}))
    assert {(("a", b""),)} == outcomes(done, moment=1)


def test_a_trace_is_read_as_it_was_written():
    """Whole calls, halves of calls, a plain write at its place, failures and files elsewhere."""
    a, folder = f"3<{hexed('/s/a')}>", hexed("/s")
    found = read_trace(
        [
            f'7 openat(AT_FDCWD<{folder}>, "{hexed("/s/a")}", O_WRONLY|O_CREAT|O_TRUNC, 0640) = {a}\n',
            f'7 write({a}, "{hexed("ab")}", 2) = 2\n',
            f'7 write({a}, "{hexed("cd")}", 2) = 1\n',
            f'8 pwrite64({a}, "{hexed("xyz")}", 3, 4096 <unfinished ...>\n',
            f"7 fsync({a}) = 0\n",
            "8 <... pwrite64 resumed>) = 3\n",
            f'7 unlink("{hexed("/s/none")}") = -1 ENOENT (No such file or directory)\n',
            f'7 rename("{hexed("/s/a")}", "{hexed("/s/b")}") = 0\n',
            f'7 pwrite64(4<{hexed("/elsewhere")}>, "{hexed("q")}", 1, 0) = 1\n',
            f"8 fdatasync({a.replace(hexed('/s/a'), hexed('/s'))} <unfinished ...>\n",
        ],
        FOLDER,
    )
    assert [
        Call("create", "a", 0, 0),
        Call("truncate", "a", 0, 0),
        Call("write", "a", 1, 1, data=b"ab"),
        Call("write", "a", 2, 2, offset=2, data=b"c"),
        Call("write", "a", 3, 5, offset=4096, data=b"xyz"),
        Call("sync", "a", 4, 4),
        Call("rename", "a", 7, 7, to="b"),
        Call("sync", "", 9, None),
    ] == found
