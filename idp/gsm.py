"""The alphabet of an SMS: GSM 7 bit (3GPP TS 23.038 §6.2.1), and how much of it one SMS holds."""

ONE_SMS = 160
"""Septets in one SMS."""
ESCAPE = 0x1B

BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = dict(
    zip("\f^{}\\[~]|€", (0x0A, 0x14, 0x28, 0x29, 0x2F, 0x3C, 0x3D, 0x3E, 0x40, 0x65), strict=True),
)

_BYTES = {
    **{char: bytes([place]) for place, char in enumerate(BASIC) if place != ESCAPE},
    **{char: bytes([ESCAPE, place]) for char, place in EXTENSION.items()},
}


class NotGsm(ValueError):
    """A character that would turn the whole message into parts of 70 characters."""

    def __init__(self, char: str) -> None:
        super().__init__(f"U+{ord(char):04X} is not in the alphabet of an SMS.")
        self.char = char


def encode(text: str) -> bytes:
    """One octet for each septet, unpacked, as SMPP takes it (SMPP 3.4 §5.2.19, data coding 0)."""
    try:
        return b"".join(_BYTES[char] for char in text)
    except KeyError as missing:
        raise NotGsm(missing.args[0]) from None


def septets(text: str) -> int:
    """The length as the network counts it: characters of the extension count twice."""
    return len(encode(text))
