"""What services cost, as far as it is published: a table with sources and dates."""

from dataclasses import dataclass

from rebox.box.service.transport import is_here


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


OWN = ("oip", "mlflow")  # servers that somebody runs for themselves: nobody is paid by the image


def price_of(uri: str) -> Price | None:
    """Return the price of the service that ``uri`` names; None: no price is known.

    The option ``price_usd`` of a URI goes before it.
    """
    return next((price for price in PRICES if uri.startswith(price.service)), None)


def usual_price_usd(scheme: str, url: str) -> float | None:
    """Return what a query of a service at ``url`` costs unless its URI says otherwise.

    None: nobody has told, and it may cost something. Servers of one's own are free, and so is what
    runs on this machine and has no price in the table.
    """
    found = price_of(f"{scheme}:")
    if found is not None:
        return found.usd
    return 0.0 if scheme in OWN or is_here(url) else None
