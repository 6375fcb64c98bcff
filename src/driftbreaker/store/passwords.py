"""What a database said, without the password: some drivers repeat what they were given."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

from sqlalchemy.engine import URL

HIDDEN = "***"
#: So long, and with letters and other signs in it, it stands in no sentence by chance.
UNMISTAKABLE = 6


def hide_passwords(said: str, url: URL) -> str:
    """Return `said` with stars for the passwords of a URL, where one is written as a password is.

    One that cannot be mistaken for a word is hidden wherever it stands. Stars for every "p" would garble the sentence,
    and tell by its gaps what the password is.
    """
    for password in _passwords(url):
        for spelling in sorted({password, quote(password, safe="")}, key=len, reverse=True):
            written = re.escape(spelling)
            places = rf"(:){written}(?=@)|(password\s*=\s*['\"]?){written}(?!\w)"
            said = re.sub(places, lambda found: f"{found[1] or found[2]}{HIDDEN}", said, flags=re.IGNORECASE)
            if _is_unmistakable(spelling):
                said = said.replace(spelling, HIDDEN)
    return said


def _passwords(url: URL) -> Iterator[str]:
    if url.password:
        yield url.password
    for name, value in url.query.items():
        if "password" in name.lower():
            yield from [value] if isinstance(value, str) else value


def _is_unmistakable(password: str) -> bool:
    kinds = {sign.isalpha() for sign in password}
    return len(password) >= UNMISTAKABLE and len(kinds) > 1
