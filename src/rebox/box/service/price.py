"""What services cost, as far as it is published: a table with sources and dates."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Price:
    """A price as somebody has stated it.

    Attributes
    ----------
    service : str
        What a box's URI begins with.
    usd : float
        US dollars per image.
    source : str
    as_of : str
    """

    service: str
    usd: float
    source: str
    as_of: str


PRICES = (
    Price(
        service="clarifai:",
        usd=0.0012,
        source="Clarifai's price list, $1.20 per 1000; plans differ",
        as_of="2018",
    ),
    Price(
        service="azure-custom-vision:",
        usd=0.002,
        source="Tsai, Chen and Ho, ICML 2020, appendix: $2 per 1000 transactions",
        as_of="2020",
    ),
)


def price_of(uri: str) -> Price | None:
    """Return the price of the service that ``uri`` names; None: no price is known.

    The option ``price_usd`` of a URI goes before it.
    """
    return next((price for price in PRICES if uri.startswith(price.service)), None)
