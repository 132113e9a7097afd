"""How a sum in US dollars is counted, and how it is written wherever people read one."""

import math

UNKNOWN = "price not known"
BY_OPTION = "price_usd=, 0 if it is free; a chat model's tokens by usd_per_m_in= and usd_per_m_out="
"""How a URI names a price."""
MOST_USD = 10**6  # of a query, an hour, or a million tokens: more is a mistake
NANO = 10**9
COARSE_USD = 0.1  # below it, cents tell too little: less than a cent is not nothing


def nano_usd(usd: float) -> int:
    """Return US dollars in whole units of 1e-9: $0.30 is 300,000,000, however binary writes 0.3.

    Sums of whole numbers are exact. What is not 0 is at least one unit, and so remains a price.
    """
    return max(1, round(usd * NANO)) if usd else 0


def dollars(usd: float | None, places: int | None = None) -> str:
    """Return ``$1,234.50``, ``$1.20``, ``$0.0012``: cents, and finer below ten of them.

    Parameters
    ----------
    usd : float or None
        US dollars, 0 or more; None: nobody knows them, which is not 0.
    places : int or None
        Decimals; None: two, or below ten cents four, or as many as show two digits.
    """
    if usd is None:
        return UNKNOWN
    if places is None:
        fine = 0 < usd < COARSE_USD
        places = max(4, 1 - math.floor(math.log10(usd))) if fine else 2
    return f"${usd:,.{places}f}"


def per_thousand(price_usd: float) -> str:
    """Return what 1,000 queries cost at ``price_usd`` each: ``$1.20 per 1,000``."""
    return f"{dollars(1000 * price_usd)} per 1,000"


def per_hour(usd_per_hour: float) -> str:
    """Return what an hour costs: ``$1.375 an hour``, ``$0.60 an hour``."""
    finer = usd_per_hour >= COARSE_USD and not round(100 * usd_per_hour, 9).is_integer()
    return f"{dollars(usd_per_hour, 3 if finer else None)} an hour"


def duration(hours: float) -> str:
    """Return a time that is paid for: ``2.5 s``, ``17 minutes``, ``3.2 hours``."""
    seconds = 3600 * hours
    if seconds < 60:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.2g} minutes" if hours < 1 else f"{hours:,.1f} hours"
