"""Posts one body to one receiver within a deadline, and judges the answer. What the HTTP channels share."""

from .address import Address
from .headers import check_headers, with_userinfo
from .links import usable_uri
from .poster import Poster
from .render import annotations_within, instant
from .reply import Reply, outcome_of
from .tls import Tls
from .veil import Veil

__all__ = [
    "Address",
    "Poster",
    "Reply",
    "Tls",
    "Veil",
    "annotations_within",
    "check_headers",
    "instant",
    "outcome_of",
    "usable_uri",
    "with_userinfo",
]
