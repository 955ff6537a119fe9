"""What is asked of a meter, who may answer it, and under which keys the answer is given."""

from dataclasses import dataclass, replace

from edge.protocols.dlt645.addresses import ANY, BROADCAST
from edge.protocols.dlt645.catalogue import catalogue
from edge.protocols.dlt645.control import READ, READ_ADDRESS
from edge.reading.outcome import Item
from edge.reading.vendor import VendorItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked. `identifier` is empty for the read-address function; `argument` follows it (load records).

    `extra`: items that the settings define.
    """

    version: str
    address: str
    identifier: str
    keys: tuple[str, ...] = ()
    argument: bytes = b""
    is_search: bool = False
    extra: tuple[VendorItem, ...] = ()

    @property
    def function(self) -> int:
        """The function code of the first request."""
        return READ[self.version] if self.identifier else READ_ADDRESS

    @property
    def is_wildcard(self) -> bool:
        """Whether more than one meter may feel asked."""
        return "A" in self.address or self.address == BROADCAST

    @property
    def wire_identifier(self) -> bytes:
        """The identifier as on the wire, lowest byte first."""
        return bytes.fromhex(self.identifier)[::-1]

    def takes(self, address: str) -> bool:
        """Return whether an answer from this address may be an answer to the question."""
        if self.address in {address, BROADCAST}:
            return True
        asked = zip(self.address, address, strict=True)
        return self.is_wildcard and (address == ANY or all(want in ("A", digit) for want, digit in asked))


def as_asked(question: Question, items: tuple[Item, ...]) -> tuple[Item, ...]:
    """Return the items under the keys that were asked for.

    An identifier asked for as `di:` keeps that key even where it is a quantity; the status words asked for as a whole
    are one text besides; a second quantity of the same identifier is given under its own key too.
    """
    book = catalogue(question.version, question.extra)
    found = list(items)
    have = {item.key for item in items}
    for key in question.keys:
        if key in have:
            continue
        identifier = key[3:] if key.startswith("di:") else book.identifier_of(key)
        base = book.key_of(identifier or "")
        same = [item for item in items if item.identifier == identifier]
        if base and same:
            found += [replace(item, key=key + item.key[len(base) :]) for item in same]
        elif key == "status_words" and items and identifier == question.identifier:
            words = " ".join(str(item.value or "----") for item in items)
            found.append(Item(key, question.identifier, words, "", "run status words"))
    return tuple(found)
