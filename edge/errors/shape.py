"""The shape of a table of codes: code -> ((fact, cause, advice) in English, the same in Chinese)."""

Texts = tuple[str, str, str]
Codes = dict[str, tuple[Texts, Texts]]
