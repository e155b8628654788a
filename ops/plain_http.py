"""What clients of the platform's own plain-http services share."""

from __future__ import annotations

import ssl

NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""``verify=`` of an httpx client that speaks plain http, inside the platform, and is made often.

It trusts nobody. httpx would read all of this machine's certificate authorities instead, which
takes 20 to 40 ms of a core for each client.
"""
