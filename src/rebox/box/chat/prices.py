"""What chat models cost, as far as it is published; a URI's own prices go before it.

One table, all of one public list: read in August 2026, in US dollars for a million tokens. A model
is found by the beginning of its name, so that a dated one, ``gpt-5.4-nano-2026-03-01``, has the
price of its kind.
"""

from urllib.parse import urlsplit

from rebox.box.chat.tokens import TokenPrice
from rebox.box.service import is_here

SOURCE, AS_OF = "a public list of prices", "5 August 2026"
USD = {
    # host, beginning of the name: read, written
    ("api.openai.com", "gpt-5.6-luna"): (0.20, 1.20),
    ("api.openai.com", "gpt-5.4-nano"): (0.20, 1.25),
    ("api.openai.com", "gpt-5.6-terra"): (2.00, 12.00),
    ("api.anthropic.com", "claude-haiku-4-5"): (1.00, 5.00),
    ("generativelanguage.googleapis.com", "gemini-2.5-flash-lite"): (0.10, 0.40),
}
FREE = TokenPrice(usd_in=0.0, usd_out=0.0)


def token_price(model: str, url: str) -> TokenPrice | None:
    """Return the price of a model's tokens at ``url``; None: nobody has told it.

    What runs on this machine is free.
    """
    if is_here(url):
        return FREE
    host = urlsplit(url).hostname
    for (where, begins), (usd_in, usd_out) in USD.items():
        if host == where and model.removeprefix("models/").startswith(begins):
            return TokenPrice(usd_in=usd_in, usd_out=usd_out, source=SOURCE, as_of=AS_OF)
    return None
