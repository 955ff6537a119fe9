"""Items that a person defined in the settings: identifiers of a vendor, or of a standard that no table here has."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorItem:
    """One item. `key` names it in tasks and readings; `identifier` has 8 hex digits (DL/T 645-2007) or 4 (1997).

    `layout` is a format of the protocol's, as in "XXX.X"; `signed`: the top bit of a number is its sign.
    """

    key: str
    identifier: str
    layout: str
    unit: str = ""
    signed: bool = False
    name: str = ""
    name_zh: str = ""
