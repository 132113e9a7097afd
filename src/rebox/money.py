"""How a sum in US dollars is written, wherever people read one."""

import math

UNKNOWN = "price not known"
COARSE_USD = 0.1  # below it, cents tell too little: less than a cent is not nothing


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
